"""Learning curves as pictures; needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib
from typing import Any

from task_report import accuracy
from task_report import detail
from task_report import reference
from task_report.rows import Row
from task_report.rows import select

_COLUMNS = 4


def curves(
    path: pathlib.Path,
    rows: Sequence[Row],
    tasks: Sequence[str],
    series: Sequence[str],
    subject: str,
    *,
    by: str = 'method',
) -> None:
  """Spearman against the number of measurements, one panel for each task.

  Args:
    path: the PNG file.
    rows: of one sampler, or of one method.
    tasks: the panels.
    series: values of `by`: the lines.
    subject: the one drawn thick.
    by: `method` or `sampler`.

  Raises:
    ValueError: matplotlib is not installed.
  """
  try:
    # The object interface: no window system.
    from matplotlib import figure as figures
    from matplotlib import ticker
    from matplotlib.backends import backend_agg
  except ImportError as error:
    raise ValueError('--plots needs matplotlib, the extra `plot`') from error
  num_rows = -(-len(tasks) // _COLUMNS)
  figure = figures.Figure(
      figsize=(3.0 * min(len(tasks), _COLUMNS), 2.4 * num_rows + 0.8), dpi=130,
      layout='constrained',
  )
  backend_agg.FigureCanvasAgg(figure)
  panels = figure.subplots(
      num_rows, min(len(tasks), _COLUMNS), squeeze=False, sharex=True
  ).ravel()
  sizes = sorted(detail.sizes_of(rows))
  values = {
      (name, size): accuracy.means(
          select(rows, num_support=size, **{by: name}), tasks
      )
      for name in series
      for size in sizes
  }
  for axes, task in zip(panels, tasks):
    for index, name in enumerate(series):
      points = [(n, values[name, n].get(task)) for n in sizes]
      points = [(n, value) for n, value in points if value is not None]
      if points:
        is_ours = name == subject
        axes.plot(
            *zip(*points), label=name, marker='o', zorder=3 if is_ours else 2,
            markersize=4 if is_ours else 2.5, color=f'C{index % 10}',
            linewidth=2.2 if is_ours else 1.0,
            linestyle='-' if index < 10 else '--',
        )
    if task in reference.NASFLAT:
      axes.plot(
          [20], [reference.NASFLAT[task]], '*', color='black', markersize=8,
          linestyle='none', label='NASFLAT, published', zorder=4,
      )
    if task in reference.CEILING:
      axes.axhline(
          reference.CEILING[task], color='0.5', linestyle=':', linewidth=1.2,
          label='one-hot ridge, 4,000 measurements',
      )
    axes.set_title(task, fontsize=9)
    axes.set_xscale('log')
    axes.set_xticks(sizes)
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter('%d'))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.tick_params(labelsize=7)
    axes.spines[['top', 'right']].set_visible(False)
    # A method that fails would flatten all other curves.
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 0.4), top=1.005)
  for axes in panels[len(tasks):]:
    axes.set_visible(False)
  handles: dict[str, Any] = {}
  for axes in panels[:len(tasks)]:
    for handle, label in zip(*axes.get_legend_handles_labels()):
      handles.setdefault(label, handle)
  figure.legend(
      list(handles.values()), list(handles), loc='outside lower center',
      ncols=_COLUMNS, fontsize=7, frameon=False,
  )
  figure.supxlabel('measurements on the target device', fontsize=8)
  figure.supylabel('Spearman, mean over devices and trials', fontsize=8)
  figure.savefig(path, format='png')
