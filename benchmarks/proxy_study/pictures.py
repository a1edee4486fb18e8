"""Heat maps of correlation matrices, and learning curves."""

import pathlib

import numpy as np

from nasflat_jax import reports


def _figure(width: float, height: float):
  from matplotlib import figure as figures
  from matplotlib.backends import backend_agg

  figure = figures.Figure(
      figsize=(width, height), dpi=110, layout='constrained'
  )
  backend_agg.FigureCanvasAgg(figure)
  return figure


def heat_map(path: pathlib.Path, title: str, devices, values) -> None:
  """Draws one matrix in the order given."""
  size = len(devices)
  side = 2.4 + 0.17 * size
  figure = _figure(side + 0.8, side)
  axes = figure.add_subplot()
  image = axes.imshow(np.array(values), vmin=0.0, vmax=1.0, cmap='viridis')
  axes.set_xticks(range(size), devices, rotation=90, fontsize=6)
  axes.set_yticks(range(size), devices, fontsize=6)
  axes.set_title(title, fontsize=9)
  figure.colorbar(image, label='Spearman', shrink=0.7)
  with reports.atomic_path(path) as partial:
    figure.savefig(partial, format='png')


def curves(path: pathlib.Path, table: dict) -> None:
  """Draws the mean over targets against the number of measurements."""
  figure = _figure(6.4, 4.0)
  axes = figure.add_subplot()
  for method, by_size in table.items():
    sizes = list(by_size)
    style = '-' if method.startswith('bayesian') else '--'
    if method.startswith('proxy'):
      style = ':'
    axes.plot(
        sizes, [by_size[n][0] for n in sizes], style, marker='o', ms=3,
        label=method,
    )
  axes.set_xscale('log')
  axes.set_xticks(sizes, [str(n) for n in sizes])
  axes.minorticks_off()
  axes.set_xlabel('measurements on the target')
  axes.set_ylabel('Spearman, mean of 17 targets')
  axes.legend(frameon=False, fontsize=6, loc='lower right')
  axes.spines[['top', 'right']].set_visible(False)
  with reports.atomic_path(path) as partial:
    figure.savefig(partial, format='png')
