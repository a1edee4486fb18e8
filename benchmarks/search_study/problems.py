"""The devices, budgets and sources of the table.

Sources are HELP's nine meta-training devices but those with the target's own
processor (or that of its near duplicate): of each, the first 900 networks, as
in HELP. Nothing of a target is seen but what is measured.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer
from search_study import published

SPACE = spaces.NASBENCH201
NUM_SOURCE = 900
PERCENTILES = (30, 50, 70)
# Tighter than the table's too, so that choices do not suit easy ones only.
DEVELOPMENT_PERCENTILES = (10, 30, 50, 70)

# Targets of none of the twelve tasks, nor of this table: design choices are
# made on these.
DEVELOPMENT = (
    'gold_6240', 'silver_4114', 'silver_4210r', 'essential_ph_1',
    'samsung_a50', 'samsung_s7', 'titanx_1', 'titanx_32', 'titanx_256',
    'titanxp_256', '2080ti_256', '1080ti_32', '1080ti_256',
)  # fmt: skip

# Eagle's Core i7 is very likely its GTX 1080 Ti once more: counted once.
EAGLE = (
    'desktop_gpu_gtx_1080ti_fp32', 'embedded_gpu_jetson_nano_fp16',
    'embedded_gpu_jetson_nano_fp32', 'embedded_tpu_edge_tpu_int8',
    'mobile_cpu_snapdragon_450_cortex_a53_int8',
    'mobile_cpu_snapdragon_675_kryo_460_int8',
    'mobile_cpu_snapdragon_855_kryo_485_int8',
    'mobile_dsp_snapdragon_675_hexagon_685_int8',
    'mobile_dsp_snapdragon_855_hexagon_690_int8',
    'mobile_gpu_snapdragon_450_adreno_506_int8',
    'mobile_gpu_snapdragon_675_adreno_612_int8',
    'mobile_gpu_snapdragon_855_adreno_640_int8',
)  # fmt: skip
HW_NAS_BENCH = (
    'edgegpu_latency', 'edgetpu_latency', 'raspi4', 'pixel3', 'eyeriss', 'fpga'
)
_FLUKE = 2.0 / 3.0
SETS = ('help', 'nasflat', 'percentile', 'development')


@dataclasses.dataclass(frozen=True)
class Budget:
  """One problem: a device and a budget."""

  group: str
  device: str
  name: str
  ms: float


def load() -> data.LatencyTable:
  """The 40 devices of NASFLAT and two of HW-NAS-Bench, official order.

  HW-NAS-Bench's other four columns are HELP's.
  """
  more = data.load('hwnasbench_nasbench201').select(
      ('edgegpu_latency', 'edgetpu_latency')
  )
  return data.join(data.load_latency('nasbench201'), more)


def budgets(table: data.LatencyTable, group: str) -> list[Budget]:
  """The problems of one group.

  Raises:
    ValueError: the group is unknown.
  """
  if group == 'help':
    return [
        Budget(group, device, f'{row[0]:g} ms', float(row[0]))
        for device, rows in published.HELP.items() for row in rows
    ]
  if group == 'nasflat':
    # Latencies are read with one digit.
    return [
        Budget(group, device, f'{row[0]:g} ms', float(row[0]) + 0.05)
        for device, rows in published.NASFLAT.items() for row in rows
    ]
  if group not in SETS:
    raise ValueError(f'unknown set {group!r}; choose from {", ".join(SETS)}')
  development = group == 'development'
  return [
      Budget(
          group, device, f'{percent} %',
          float(np.nanpercentile(table.row(device), percent)),
      )
      for device in (DEVELOPMENT if development else EAGLE + HW_NAS_BENCH)
      for percent in (DEVELOPMENT_PERCENTILES if development else PERCENTILES)
  ]


def source_names(table: data.LatencyTable, target: str) -> tuple[str, ...]:
  """HELP's meta-training devices without the target's processor."""
  same = {target}
  for pair in data.NEAR_DUPLICATES:
    if target in pair:
      same |= set(pair)
  own = {table.device(name).processor for name in same}
  return tuple(
      name for name in partitions.get('ND').source
      if table.device(name).processor not in own
  )


def model(table: data.LatencyTable, target: str) -> transfer.BayesianModel:
  """What is believed before the target is measured."""
  rows = np.stack([
      table.row(name)[:NUM_SOURCE] for name in source_names(table, target)
  ])
  sources = transfer.fit_sources(SPACE, table.genotype[:NUM_SOURCE], rows)
  return transfer.bayesian_model(SPACE, sources)


def fluke(table: data.LatencyTable, device: str) -> np.ndarray:
  """`[N]` True where a network is far faster than its architecture explains.

  Below two thirds of a regression of the log latency on costs and genotype that
  is fitted to all rows of the device: tables of some phones have such values,
  two clock rates it seems, and no search can foresee them.
  """
  features = np.asarray(
      transfer.bayesian_model(SPACE).encode(table.genotype), np.float64
  )
  latency_ms = table.row(device)
  measured = np.isfinite(latency_ms) & (latency_ms > 0.0)
  model = predictors.fit_ridge(
      features[measured], np.log(latency_ms[measured])
  )
  fitted = np.exp(predictors.predict_linear(model, features))
  return measured & (latency_ms < _FLUKE * fitted)
