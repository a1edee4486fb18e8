"""The devices of the public latency tables.

Names are upstream's: HELP's and OneProxy's file names, NASFLAT's names of the
Eagle devices (the file name with `_` for `-`), HW-NAS-Bench's column names.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import TypeVar

from nasflat_jax.types import Device

_T = TypeVar('_T')

_HELP_GPUS = {
    '1080ti': 'GTX 1080 Ti',
    '2080ti': 'RTX 2080 Ti',
    'titan_rtx': 'Titan RTX',
    'titanx': 'Titan X',
    'titanxp': 'Titan Xp',
    'titan_xp': 'Titan Xp',  # spelled so for OFA only
    'v100': 'Tesla V100',
}

_HELP_OTHERS = {
    'essential_ph_1': ('phone', 'Essential PH-1'),
    'eyeriss': ('asic', 'Eyeriss'),
    'fpga': ('fpga', 'FPGA of HW-NAS-Bench'),
    'gold_6226': ('cpu', 'Xeon Gold 6226'),
    'gold_6240': ('cpu', 'Xeon Gold 6240'),
    'pixel2': ('phone', 'Google Pixel 2'),
    'pixel3': ('phone', 'Google Pixel 3'),
    'raspi4': ('board', 'Raspberry Pi 4'),
    'samsung_a50': ('phone', 'Samsung Galaxy A50'),
    'samsung_s7': ('phone', 'Samsung Galaxy S7'),
    'silver_4114': ('cpu', 'Xeon Silver 4114'),
    'silver_4210r': ('cpu', 'Xeon Silver 4210R'),
}

_EAGLE = {
    'desktop_cpu_core_i7_7820x_fp32': ('cpu', 'Core i7-7820X'),
    'desktop_gpu_gtx_1080ti_fp32': ('gpu', 'GTX 1080 Ti'),
    'embedded_gpu_jetson_nano_fp16': ('board', 'Jetson Nano'),
    'embedded_gpu_jetson_nano_fp32': ('board', 'Jetson Nano'),
    'embedded_tpu_edge_tpu_int8': ('tpu', 'Edge TPU'),
    'mobile_cpu_snapdragon_450_cortex_a53_int8': (
        'phone',
        'Snapdragon 450 CPU, Cortex-A53',
    ),
    'mobile_cpu_snapdragon_675_kryo_460_int8': (
        'phone',
        'Snapdragon 675 CPU, Kryo 460',
    ),
    'mobile_cpu_snapdragon_855_kryo_485_int8': (
        'phone',
        'Snapdragon 855 CPU, Kryo 485',
    ),
    'mobile_dsp_snapdragon_675_hexagon_685_int8': (
        'dsp',
        'Snapdragon 675 DSP, Hexagon 685',
    ),
    'mobile_dsp_snapdragon_855_hexagon_690_int8': (
        'dsp',
        'Snapdragon 855 DSP, Hexagon 690',
    ),
    'mobile_gpu_snapdragon_450_adreno_506_int8': (
        'phone',
        'Snapdragon 450 GPU, Adreno 506',
    ),
    'mobile_gpu_snapdragon_675_adreno_612_int8': (
        'phone',
        'Snapdragon 675 GPU, Adreno 612',
    ),
    'mobile_gpu_snapdragon_855_adreno_640_int8': (
        'phone',
        'Snapdragon 855 GPU, Adreno 640',
    ),
}

# `eagle_*`: eight of the Eagle devices; `rice_*`: HW-NAS-Bench; `true_*`:
# nn-Meter. Upstream's notebook calls eagle_jetson_16 int16; it is fp16.
_ONEPROXY = {
    'eagle_cpu_855': ('phone', 'Snapdragon 855 CPU, Kryo 485', 'int8'),
    'eagle_dsp_855': ('dsp', 'Snapdragon 855 DSP, Hexagon 690', 'int8'),
    'eagle_gpu_855': ('phone', 'Snapdragon 855 GPU, Adreno 640', 'int8'),
    'eagle_gtx': ('gpu', 'GTX 1080 Ti', 'fp32'),
    'eagle_i7': ('cpu', 'Core i7-7820X', 'fp32'),
    'eagle_jetson': ('board', 'Jetson Nano', 'fp32'),
    'eagle_jetson_16': ('board', 'Jetson Nano', 'fp16'),
    'eagle_tpu': ('tpu', 'Edge TPU', 'int8'),
    'rice_edgegpu': ('board', 'Jetson TX2', 'unknown'),
    'rice_edgetpu': ('tpu', 'Edge TPU', 'int8'),
    'rice_eyeriss': ('asic', 'Eyeriss', 'unknown'),
    'rice_fpga': ('fpga', 'FPGA of HW-NAS-Bench', 'unknown'),
    'rice_pixel3': ('phone', 'Google Pixel 3', 'unknown'),
    'rice_raspi4': ('board', 'Raspberry Pi 4', 'unknown'),
    'true_630': ('phone', 'Adreno 630', 'unknown'),
    'true_640': ('phone', 'Adreno 640', 'unknown'),
    'true_a76': ('phone', 'Cortex-A76', 'unknown'),
    'true_vpu': ('vpu', 'Intel Myriad VPU', 'unknown'),
}

_HWNASBENCH = {
    'edgegpu': ('board', 'Jetson TX2', 'unknown'),
    'raspi4': ('board', 'Raspberry Pi 4', 'unknown'),
    'edgetpu': ('tpu', 'Edge TPU', 'int8'),
    'pixel3': ('phone', 'Google Pixel 3', 'unknown'),
    'eyeriss': ('asic', 'Eyeriss', 'unknown'),
    'fpga': ('fpga', 'FPGA of HW-NAS-Bench', 'unknown'),
}

_HWNASBENCH_UNITS = {
    'latency': 'ms',
    'energy': 'mJ',
    'arithmetic_intensity': 'operations/byte',
}

# Pairs that are very likely one device measured twice: their latencies have
# Spearman 0.997 and more and nearly equal ranges although one is a CPU and the
# other a GPU. Count them once.
NEAR_DUPLICATES: tuple[tuple[str, str], ...] = (
    ('desktop_cpu_core_i7_7820x_fp32', 'desktop_gpu_gtx_1080ti_fp32'),
    ('eagle_i7', 'eagle_gtx'),
)

# Rows that are sums of a per-operation table, not measurements of networks: a
# linear model of the one-hot genotype fits them exactly.
SYNTHETIC: dict[str, tuple[str, ...]] = {
    'help_nasbench201': ('eyeriss', 'fpga'),
    'help_fbnet': ('eyeriss', 'fpga', 'pixel3', 'raspi4'),
}


def help_device(name: str) -> Device:
  """One of HELP's devices; `ValueError` on an unknown name."""
  match = re.fullmatch(r'(.+)_(\d+)', name)
  if match and match[1] in _HELP_GPUS:
    return Device(
        name=name,
        family='gpu',
        processor=_HELP_GPUS[match[1]],
        batch_size=int(match[2]),
    )
  family, processor = _lookup(_HELP_OTHERS, name, 'HELP')
  return Device(name=name, family=family, processor=processor)


def eagle_device(name: str) -> Device:
  """One of the 13 Eagle devices, by NASFLAT's name."""
  family, processor = _lookup(_EAGLE, name, 'Eagle')
  precision = name.rpartition('_')[2]
  return Device(
      name=name, family=family, processor=processor, precision=precision
  )


def oneproxy_device(name: str) -> Device:
  """One of OneProxy's 18 devices, by its file name."""
  family, processor, precision = _lookup(_ONEPROXY, name, 'OneProxy')
  return Device(
      name=name, family=family, processor=processor, precision=precision
  )


def hwnasbench_device(column: str) -> Device:
  """One of HW-NAS-Bench's ten columns `<device>_<metric>`."""
  device, _, metric = column.partition('_')
  family, processor, precision = _lookup(_HWNASBENCH, device, 'HW-NAS-Bench')
  unit = _lookup(_HWNASBENCH_UNITS, metric, 'HW-NAS-Bench')
  return Device(
      name=column,
      family=family,
      processor=processor,
      precision=precision,
      unit=unit,
      metric=metric,
  )


def ecnas_device() -> Device:
  """The GPU whose energy EC-NAS measured over four epochs of training."""
  return Device(
      name='quadro_rtx_6000_training_energy',
      family='gpu',
      processor='Quadro RTX 6000',
      unit='kWh',
      metric='energy',
  )


def _lookup(table: Mapping[str, _T], name: str, source: str) -> _T:
  if name not in table:
    raise ValueError(f'{source} has no {name!r}; known: {", ".join(table)}')
  return table[name]
