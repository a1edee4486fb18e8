"""Correlation of every two devices, and the figures OneProxy publishes."""

import functools

import numpy as np
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial import distance

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import spaces

TABLES = ('nasbench201', 'fbnet', 'ofa', 'oneproxy')
_DRAWS, _NUM_SUPPORT = 10, 70
# Panel, proxy, target, table, proxy and AdaProxy in the figure (cut to two
# digits); table None where no latencies of the panel are public.
PUBLISHED = (
    ('NB201 CIFAR-10', 'Pixel3', 'Edge GPU', 'oneproxy', 0.62, 0.94),
    ('NB201 CIFAR-10', 'Pixel3', 'Edge TPU', 'oneproxy', 0.46, 0.92),
    ('NB201 CIFAR-10', 'Pixel3', 'Raspi4', 'nasbench201', 0.96, 0.96),
    ('NB201 CIFAR-10', 'Pixel3', 'Eyeriss', 'nasbench201', 0.72, 0.99),
    ('NB201 CIFAR-10', 'Pixel3', 'FPGA', 'nasbench201', 0.87, 0.99),
    ('NB201 CIFAR-100', 'Pixel3', 'Edge GPU', None, 0.62, 0.92),
    ('NB201 CIFAR-100', 'Pixel3', 'Edge TPU', None, 0.46, 0.92),
    ('NB201 CIFAR-100', 'Pixel3', 'Raspi4', None, 0.96, 0.96),
    ('NB201 CIFAR-100', 'Pixel3', 'Eyeriss', None, 0.72, 0.99),
    ('NB201 CIFAR-100', 'Pixel3', 'FPGA', None, 0.87, 0.99),
    ('NB201 ImageNet16-120', 'Pixel3', 'Edge GPU', None, 0.62, 0.93),
    ('NB201 ImageNet16-120', 'Pixel3', 'Edge TPU', None, 0.48, 0.92),
    ('NB201 ImageNet16-120', 'Pixel3', 'Raspi4', None, 0.91, 0.91),
    ('NB201 ImageNet16-120', 'Pixel3', 'Eyeriss', None, 0.70, 0.99),
    ('NB201 ImageNet16-120', 'Pixel3', 'FPGA', None, 0.88, 0.95),
    ('FBNet CIFAR-100', 'Pixel3', 'Edge GPU', None, 0.09, 0.90),
    ('FBNet CIFAR-100', 'Pixel3', 'Raspi4', 'fbnet', 0.95, 0.99),
    ('FBNet CIFAR-100', 'Pixel3', 'Eyeriss', 'fbnet', 0.97, 0.99),
    ('FBNet CIFAR-100', 'Pixel3', 'FPGA', 'fbnet', 0.90, 0.99),
    ('FBNet, second panel', 'Pixel3', 'Edge GPU', None, 0.77, 0.90),
    ('FBNet, second panel', 'Pixel3', 'Raspi4', None, 0.98, 0.98),
    ('FBNet, second panel', 'Pixel3', 'Eyeriss', None, 0.96, 0.99),
    ('FBNet, second panel', 'Pixel3', 'FPGA', None, 0.88, 0.99),
    ('NB201, Myriad', 'Myriad', 'Edge GPU', 'oneproxy', 0.75, 0.92),
    ('NB201, Myriad', 'Myriad', 'Edge TPU', 'oneproxy', 0.87, 0.90),
    ('NB201, Myriad', 'Myriad', 'Eyeriss', 'oneproxy', 0.67, 0.98),
    ('NB201, Myriad', 'Myriad', 'FPGA', 'oneproxy', 0.67, 0.99),
    ('NB201, Myriad', 'Myriad', 'Pixel3', 'oneproxy', 0.61, 0.90),
    ('NB201, Myriad', 'Myriad', 'Raspi4', 'oneproxy', 0.65, 0.91),
    ('NB201, Myriad', 'Myriad', 'Adreno 630', 'oneproxy', 0.76, 0.93),
    ('NB201, Myriad', 'Myriad', 'Adreno 640', 'oneproxy', 0.76, 0.93),
    ('NB201, Myriad', 'Myriad', 'Cortex-A76', 'oneproxy', 0.74, 0.92),
    ('NB201, Myriad', 'Myriad', 'GTX 1080 Ti', 'oneproxy', 0.69, 0.90),
    ('NB201, Myriad', 'Myriad', 'Kryo 485', 'oneproxy', 0.88, 0.96),
    ('NB201, Myriad', 'Myriad', 'Hexagon 690', 'oneproxy', 0.89, 0.91),
    ('NB201, Myriad', 'Myriad', 'Adreno 640*', 'oneproxy', 0.74, 0.91),
    ('NB201, Myriad', 'Myriad', 'i7-7820X', 'oneproxy', 0.68, 0.90),
    ('NB201, Myriad', 'Myriad', 'Jetson Nano', 'oneproxy', 0.84, 0.94),
    ('NB201, Myriad', 'Myriad', 'Jetson Nano 16', 'oneproxy', 0.80, 0.90),
)
COLUMNS = {
    'Edge GPU': 'rice_edgegpu',
    'Edge TPU': 'rice_edgetpu',
    'Raspi4': 'rice_raspi4',
    'Eyeriss': 'rice_eyeriss',
    'FPGA': 'rice_fpga',
    'Pixel3': 'rice_pixel3',
    'Myriad': 'true_vpu',
    'Adreno 630': 'true_630',
    'Adreno 640': 'true_640',
    'Cortex-A76': 'true_a76',
    'GTX 1080 Ti': 'eagle_gtx',
    'Kryo 485': 'eagle_cpu_855',
    'Hexagon 690': 'eagle_dsp_855',
    'Adreno 640*': 'eagle_gpu_855',
    'i7-7820X': 'eagle_i7',
    'Jetson Nano': 'eagle_jetson',
    'Jetson Nano 16': 'eagle_jetson_16',
}


@functools.cache
def load(name: str) -> data.LatencyTable:
  """One of `TABLES`."""
  if name == 'oneproxy':
    return data.load('oneproxy_nasbench201')
  return data.load_latency(name)


@functools.cache
def correlation(name: str) -> np.ndarray:
  """`[D, D]` Spearman of every two devices of a table."""
  return partitions.correlation_matrix(load(name).values)


def _clustered(values: np.ndarray) -> list[int]:
  """An order of devices in which those alike are neighbours."""
  apart = distance.squareform(1.0 - values, checks=False)
  tree = hierarchy.linkage(apart, 'average', optimal_ordering=True)
  return hierarchy.leaves_list(tree).tolist()


def _adaproxy(name: str, proxy_ms: np.ndarray, target_ms: np.ndarray) -> float:
  """AdaProxy, p = 2, judged on what was not measured; mean over draws."""
  table = load(name)
  num_ops = len(spaces.get(table.space).spec.gene_names)
  hot = predictors.one_hot(table.genotype, num_ops)
  proxy = predictors.fit_proxy(table.genotype, proxy_ms, num_ops)
  measured = np.flatnonzero(np.isfinite(target_ms))
  figures = []
  for draw in range(_DRAWS):
    ids = np.random.default_rng(draw).choice(
        measured, _NUM_SUPPORT, replace=False
    )
    model = predictors.fit_adaproxy(proxy, hot[ids], target_ms[ids])
    rest = np.setdiff1d(measured, ids)
    scores = predictors.predict_linear(model, hot[rest])
    figures.append(stats.spearmanr(scores, target_ms[rest]).statistic)
  return float(np.mean(figures))


def _published() -> list[dict]:
  rows = []
  for panel, proxy, target, name, before, after in PUBLISHED:
    row = {
        'panel': panel, 'proxy': proxy, 'target': target, 'table': name,
        'figure': before, 'figure_adaproxy': after,
        'ours': None, 'ours_failed_kept': None, 'ours_adaproxy': None,
    }
    if name:
      prefix = 'rice_' if name != 'oneproxy' else ''
      proxy_ms, target_ms = (
          load(name).row(COLUMNS[device].removeprefix(prefix))
          for device in (proxy, target)
      )
      both = np.isfinite(proxy_ms) & np.isfinite(target_ms)
      row['ours'] = stats.spearmanr(proxy_ms[both], target_ms[both]).statistic
      row['cells'] = int(both.sum())
      row['ours_adaproxy'] = _adaproxy(name, proxy_ms, target_ms)
      if not both.all():
        # As the figures have it: what did not compile takes -1 ms.
        kept = np.nan_to_num(target_ms, nan=-1.0)
        row['ours_failed_kept'] = stats.spearmanr(proxy_ms, kept).statistic
    rows.append(row)
  return rows


def run() -> dict:
  """Matrices in clustered order, their means, and the published figures."""
  result = {'published': _published()}
  for name in TABLES:
    values = correlation(name)
    order = _clustered(values)
    off = values[~np.eye(len(values), dtype=bool)]
    result[name] = {
        'devices': [load(name).device_names[i] for i in order],
        'spearman': values[np.ix_(order, order)].round(4).tolist(),
        'architectures': load(name).num_architectures,
        'mean': off.mean(),
        'least': off.min(),
        'share_above_0.9': (off >= 0.9).mean(),
    }
  return result
