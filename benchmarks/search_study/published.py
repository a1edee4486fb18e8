"""What HELP, NASFLAT and BRP-NAS print, and HELP's constraints.

HELP (https://arxiv.org/abs/2106.08630): table 4, ten measurements and ten
reference measurements, MetaD2A's candidates, CIFAR-100 test accuracy. NASFLAT
(https://arxiv.org/abs/2403.02446): points of its figure, read back from the
vector graphics, 20 measurements.
"""

# Device: (constraint ms, measured ms, accuracy %).
HELP: dict[str, tuple[tuple[float, float, float], ...]] = {
    'titan_rtx_256': ((18, 17.8, 69.7), (21, 18.9, 71.5), (25, 24.2, 71.8)),
    'gold_6226': ((8, 8.0, 67.3), (11, 10.7, 70.2), (14, 14.3, 72.1)),
    'pixel2': ((14, 13.0, 69.7), (18, 19.0, 71.8), (22, 25.0, 73.2)),
    'eyeriss': ((5, 3.9, 71.5), (7, 5.1, 71.8), (9, 9.1, 73.5)),
    'fpga': ((4, 3.8, 70.2), (5, 4.7, 71.8), (6, 7.4, 73.5)),
}

# No network of the space keeps these budgets with HELP's accuracy.
UNATTAINABLE = (('pixel2', 22), ('eyeriss', 9), ('fpga', 6))

# Device: (measured ms, accuracy %); constraints are not stated.
NASFLAT: dict[str, tuple[tuple[float, float], ...]] = {
    'pixel2': (
        (12.2, 65.86), (14.2, 69.82), (17.0, 70.40), (19.8, 71.93),
        (25.6, 72.99), (34.0, 73.51),
    ),
    'titan_rtx_256': (
        (14.9, 67.99), (15.1, 68.37), (18.4, 70.82), (20.0, 71.57),
        (23.2, 71.71), (25.5, 71.89), (26.7, 72.03),
    ),
    'gold_6226': (
        (6.3, 62.43), (8.5, 67.63), (12.0, 70.66), (14.3, 72.20),
        (15.4, 72.68), (16.3, 73.17),
    ),
    'eyeriss': (
        (3.3, 68.72), (4.4, 71.72), (5.1, 71.76), (6.5, 72.45), (7.3, 72.90),
        (8.3, 73.34), (9.1, 73.51),
    ),
    'fpga': (
        (5.1, 71.98), (6.0, 72.61), (6.5, 72.96), (7.0, 73.34), (7.4, 73.51),
    ),
}

# Constants in NASFLAT's plotting script, unit not given, not measured here.
COST = {'NASFLAT': 4.1, 'HELP': 125.0, 'BRP-NAS': 1220.0}
# Measurements of the target: HELP's include its ten reference networks.
MEASUREMENTS = {'NASFLAT': 20, 'HELP': 20, 'BRP-NAS': 900}
