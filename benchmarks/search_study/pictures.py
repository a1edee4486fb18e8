"""Pareto pictures, and the cost of n targets."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib
from typing import Any

from matplotlib import figure as figures
from matplotlib.backends import backend_agg
import numpy as np

from nasflat_jax import data
from nasflat_jax import search
from search_study import published
from search_study import summary

_SHOWN = (
    'titan_rtx_256', 'gold_6226', 'pixel2', 'eyeriss', 'fpga', 'raspi4',
    'mobile_gpu_snapdragon_855_adreno_640_int8', 'embedded_tpu_edge_tpu_int8',
    'edgegpu_latency',
)
_COLOUR = {'front': '0.55', 'ours': '#0b6fb8', 'HELP': '#c8501e',
           'NASFLAT': '#3b8f3b'}  # fmt: skip


def _figure(width: float, height: float) -> figures.Figure:
  """The object interface: no window system."""
  figure = figures.Figure(figsize=(width, height), dpi=110, layout='tight')
  backend_agg.FigureCanvasAgg(figure)
  return figure


def pareto(
    path: pathlib.Path,
    cells: Sequence[summary.Cell],
    table: data.LatencyTable,
    accuracy: np.ndarray,
    num: int,
) -> None:
  """Ours, the published points and the true front on nine devices."""
  figure = _figure(9.6, 8.4)
  axes = figure.subplots(3, 3)
  part = summary.select(
      cells, candidates='whole', signal='test', method='ours', num=num
  )
  for axis, device in zip(axes.flat, _SHOWN, strict=True):
    latency_ms = table.row(device)
    measured = np.flatnonzero(np.isfinite(latency_ms))
    front = measured[np.asarray(search.non_dominated(
        np.stack([latency_ms[measured], -accuracy[measured]], axis=1)
    ))]
    front = front[np.argsort(latency_ms[front])]
    axis.plot(
        latency_ms[front], accuracy[front], drawstyle='steps-post',
        color=_COLOUR['front'], lw=1.2, label='true front', zorder=1,
    )
    here = [cell for cell in part if cell['device'] == device]
    found = np.array([
        (ms, value) for cell in here
        for ms, value in zip(cell['latency_ms'], cell['accuracy'], strict=True)
        if ms is not None
    ]).reshape(-1, 2)
    axis.plot(
        *found.T, 'o', ms=3.5, color=_COLOUR['ours'], alpha=0.5, mew=0,
        label=f'ours, {num} measurements', zorder=3,
    )
    for name, points in (
        ('HELP', [p[1:] for p in published.HELP.get(device, ())]),
        ('NASFLAT', published.NASFLAT.get(device, ())),
    ):
      if points:
        axis.plot(
            *np.array(points).T, 's' if name == 'HELP' else '^', ms=4.5,
            color=_COLOUR[name], label=f'{name}, published', zorder=2,
        )
    shown = np.concatenate([found, np.array([
        point for point in (
            *(p[1:] for p in published.HELP.get(device, ())),
            *published.NASFLAT.get(device, ()),
        )
    ]).reshape(-1, 2)])
    if not len(shown):
      continue
    span = np.ptp(shown[:, 0]) or 1.0
    low, high = shown[:, 0].min(), shown[:, 0].max()
    axis.set_xlim(low - 0.15 * span, high + 0.15 * span)
    axis.set_ylim(shown[:, 1].min() - 1.0, 74.0)
    axis.set_title(device, fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
  axes[0, 0].legend(fontsize=6.5, loc='lower right')
  for axis in axes[-1]:
    axis.set_xlabel('measured latency, ms', fontsize=8)
  for axis in axes[:, 0]:
    axis.set_ylabel('CIFAR-100 test accuracy, %', fontsize=8)
  figure.savefig(path)


def costs(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Measurements of all targets together against their number."""
  figure = _figure(5.2, 3.4)
  axis = figure.subplots()
  for method, colour in (
      ('per device', '0.4'), ('OneProxy', '#c8501e'), ('ours', '#0b6fb8'),
      ('ours, alone', '#6db3e8'),
  ):
    rows = [one for one in record['rows'] if one['method'] == method]
    total = rows[0]['shared_measurements'] + np.cumsum(
        [one['measurements'] for one in rows]
    )
    axis.plot(
        np.arange(1, len(rows) + 1), total, color=colour, label=method
    )
  axis.set_yscale('log')
  axis.set_xlabel('target devices')
  axis.set_ylabel('measurements in all')
  axis.grid(alpha=0.25)
  axis.legend(fontsize=8)
  figure.savefig(path)


def progress(
    path: pathlib.Path, cells: Sequence[summary.Cell]
) -> None:
  """Mean gap to the best feasible network and budgets kept, by method."""
  figure = _figure(8.0, 3.2)
  axes = figure.subplots(1, 2)
  part = [
      cell for cell in summary.select(
          cells, candidates='whole', signal='test',
          group=['help', 'percentile'],
      )
      if cell['device'] != 'pixel2'
  ]
  for method, name in summary.NAMES.items():
    found = {
        num: summary.figures(summary.select(part, method=method, num=num))
        for num in (5, 10, 20)
    }
    if not all(found.values()):
      continue
    for axis, figure_name in zip(axes, ('regret_where_kept', 'kept')):
      axis.plot(
          list(found), [one[figure_name] for one in found.values()], 'o-',
          label=name, ms=4,
      )
  axes[0].set_ylabel('points below the best, where kept', fontsize=8)
  axes[0].set_yscale('symlog', linthresh=0.1)
  axes[1].set_ylabel('share of runs that keep the budget', fontsize=8)
  for axis in axes:
    axis.set_xlabel('measurements', fontsize=8)
    axis.set_xticks([5, 10, 20])
    axis.grid(alpha=0.25)
  axes[1].legend(fontsize=7)
  figure.savefig(path)
