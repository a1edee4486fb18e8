"""The twelve device splits published with NASFLAT, as data.

"On Latency Predictors for Neural Architecture Search"
(https://arxiv.org/abs/2403.02446). `N*` are on NAS-Bench-201, `F*` on FBNet;
`ND` and `FD` are the splits of earlier work, `NA` and `FA` adversarial ones:
sources of one kind, targets of others. The order within a split is the
authors'. The method that made them does not regenerate them, so they are
constants.
"""

from __future__ import annotations

from nasflat_jax.types import Partition

ND = Partition(
    name='ND',
    space='nasbench201',
    source=(
        '1080ti_1',
        '1080ti_32',
        '1080ti_256',
        'silver_4114',
        'silver_4210r',
        'samsung_a50',
        'pixel3',
        'essential_ph_1',
        'samsung_s7',
    ),
    target=(
        'titan_rtx_256',
        'gold_6226',
        'fpga',
        'pixel2',
        'raspi4',
        'eyeriss',
    ),
)

N1 = Partition(
    name='N1',
    space='nasbench201',
    source=(
        'embedded_tpu_edge_tpu_int8',
        'eyeriss',
        'mobile_gpu_snapdragon_675_adreno_612_int8',
        'mobile_gpu_snapdragon_855_adreno_640_int8',
        'pixel3',
    ),
    target=(
        '1080ti_1',
        'titan_rtx_32',
        'titanxp_1',
        '2080ti_32',
        'titan_rtx_1',
    ),
)

N2 = Partition(
    name='N2',
    space='nasbench201',
    source=(
        '1080ti_1',
        '1080ti_32',
        'titanx_32',
        'titanxp_1',
        'titanxp_32',
    ),
    target=(
        'embedded_gpu_jetson_nano_fp16',
        'embedded_tpu_edge_tpu_int8',
        'mobile_dsp_snapdragon_675_hexagon_685_int8',
        'mobile_dsp_snapdragon_855_hexagon_690_int8',
        'pixel3',
    ),
)

N3 = Partition(
    name='N3',
    space='nasbench201',
    source=(
        'desktop_gpu_gtx_1080ti_fp32',
        'embedded_gpu_jetson_nano_fp16',
        'eyeriss',
        'mobile_dsp_snapdragon_675_hexagon_685_int8',
        'mobile_gpu_snapdragon_855_adreno_640_int8',
    ),
    target=(
        '1080ti_1',
        '2080ti_1',
        'titanxp_1',
        '2080ti_32',
        'titanxp_32',
    ),
)

N4 = Partition(
    name='N4',
    space='nasbench201',
    source=(
        'desktop_cpu_core_i7_7820x_fp32',
        'embedded_gpu_jetson_nano_fp32',
        'embedded_tpu_edge_tpu_int8',
        'eyeriss',
        'mobile_cpu_snapdragon_855_kryo_485_int8',
        'mobile_dsp_snapdragon_675_hexagon_685_int8',
        'mobile_dsp_snapdragon_855_hexagon_690_int8',
        'mobile_gpu_snapdragon_675_adreno_612_int8',
        'mobile_gpu_snapdragon_855_adreno_640_int8',
        'pixel2',
    ),
    target=(
        '1080ti_1',
        '2080ti_1',
        'titan_rtx_1',
    ),
)

NA = Partition(
    name='NA',
    space='nasbench201',
    source=(
        'titan_rtx_1',
        'titan_rtx_32',
        'titanxp_1',
        '2080ti_1',
        'titanx_1',
        '1080ti_1',
        'titanx_32',
        'titanxp_32',
        '2080ti_32',
        '1080ti_32',
        'gold_6226',
        'samsung_s7',
        'silver_4114',
        'gold_6240',
        'silver_4210r',
        'samsung_a50',
        'pixel2',
    ),
    target=(
        'eyeriss',
        'desktop_gpu_gtx_1080ti_fp32',
        'embedded_tpu_edge_tpu_int8',
    ),
)

FD = Partition(
    name='FD',
    space='fbnet',
    source=(
        '1080ti_1',
        '1080ti_32',
        '1080ti_64',
        'silver_4114',
        'silver_4210r',
        'samsung_a50',
        'pixel3',
        'essential_ph_1',
        'samsung_s7',
    ),
    target=(
        'fpga',
        'raspi4',
        'eyeriss',
    ),
)

F1 = Partition(
    name='F1',
    space='fbnet',
    source=(
        '2080ti_1',
        'essential_ph_1',
        'silver_4114',
        'titan_rtx_1',
        'titan_rtx_32',
    ),
    target=(
        'eyeriss',
        'fpga',
        'raspi4',
        'samsung_a50',
        'samsung_s7',
    ),
)

F2 = Partition(
    name='F2',
    space='fbnet',
    source=(
        'essential_ph_1',
        'gold_6226',
        'gold_6240',
        'pixel3',
        'raspi4',
    ),
    target=(
        '1080ti_1',
        '1080ti_32',
        '2080ti_32',
        'titan_rtx_1',
        'titanxp_1',
    ),
)

F3 = Partition(
    name='F3',
    space='fbnet',
    source=(
        'essential_ph_1',
        'pixel2',
        'pixel3',
        'raspi4',
        'samsung_s7',
    ),
    target=(
        '1080ti_1',
        '1080ti_32',
        '2080ti_1',
        'titan_rtx_1',
        'titan_rtx_32',
    ),
)

F4 = Partition(
    name='F4',
    space='fbnet',
    source=(
        '1080ti_64',
        '2080ti_1',
        'eyeriss',
        'gold_6226',
        'gold_6240',
        'raspi4',
        'samsung_s7',
        'silver_4210r',
        'titan_rtx_1',
        'titan_rtx_32',
    ),
    target=(
        '1080ti_1',
        'pixel2',
        'essential_ph_1',
    ),
)

FA = Partition(
    name='FA',
    space='fbnet',
    source=(
        '1080ti_1',
        '1080ti_32',
        '1080ti_64',
        '2080ti_1',
        '2080ti_32',
        '2080ti_64',
        'titan_rtx_1',
        'titan_rtx_32',
        'titan_rtx_64',
        'titanx_1',
        'titanx_32',
        'titanx_64',
        'titanxp_1',
        'titanxp_32',
        'titanxp_64',
    ),
    target=(
        'gold_6226',
        'essential_ph_1',
        'samsung_s7',
        'pixel2',
    ),
)

ALL: tuple[Partition, ...] = (ND, N1, N2, N3, N4, NA, FD, F1, F2, F3, F4, FA)

# Every device of a space's table, by name.
DEVICE_NAMES: dict[str, tuple[str, ...]] = {
    'nasbench201': (
        '1080ti_1',
        '1080ti_256',
        '1080ti_32',
        '2080ti_1',
        '2080ti_256',
        '2080ti_32',
        'desktop_cpu_core_i7_7820x_fp32',
        'desktop_gpu_gtx_1080ti_fp32',
        'embedded_gpu_jetson_nano_fp16',
        'embedded_gpu_jetson_nano_fp32',
        'embedded_tpu_edge_tpu_int8',
        'essential_ph_1',
        'eyeriss',
        'fpga',
        'gold_6226',
        'gold_6240',
        'mobile_cpu_snapdragon_450_cortex_a53_int8',
        'mobile_cpu_snapdragon_675_kryo_460_int8',
        'mobile_cpu_snapdragon_855_kryo_485_int8',
        'mobile_dsp_snapdragon_675_hexagon_685_int8',
        'mobile_dsp_snapdragon_855_hexagon_690_int8',
        'mobile_gpu_snapdragon_450_adreno_506_int8',
        'mobile_gpu_snapdragon_675_adreno_612_int8',
        'mobile_gpu_snapdragon_855_adreno_640_int8',
        'pixel2',
        'pixel3',
        'raspi4',
        'samsung_a50',
        'samsung_s7',
        'silver_4114',
        'silver_4210r',
        'titan_rtx_1',
        'titan_rtx_256',
        'titan_rtx_32',
        'titanx_1',
        'titanx_256',
        'titanx_32',
        'titanxp_1',
        'titanxp_256',
        'titanxp_32',
    ),
    'fbnet': (
        '1080ti_1',
        '1080ti_32',
        '1080ti_64',
        '2080ti_1',
        '2080ti_32',
        '2080ti_64',
        'essential_ph_1',
        'eyeriss',
        'fpga',
        'gold_6226',
        'gold_6240',
        'pixel2',
        'pixel3',
        'raspi4',
        'samsung_a50',
        'samsung_s7',
        'silver_4114',
        'silver_4210r',
        'titan_rtx_1',
        'titan_rtx_32',
        'titan_rtx_64',
        'titanx_1',
        'titanx_32',
        'titanx_64',
        'titanxp_1',
        'titanxp_32',
        'titanxp_64',
    ),
}
