"""A table of numbers between -1 and 1 as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib

import numpy as np

from nasflat_jax.reports import _figure


def plot_matrix(
    path: str | pathlib.Path,
    panels: Sequence[tuple[str, np.ndarray]],  # [R, C] each
    *,
    row_names: Sequence[str],
    column_names: Sequence[str],
    row_label: str,
    column_label: str,
) -> bool:
  """Draws matrices side by side on one colour scale from -1 to 1.

  Args:
    path: the PNG file.
    panels: titles and matrices `[R, C]`; NaN is left white.
    row_names: R.
    column_names: C.
    row_label: what rows are.
    column_label: what columns are.

  Returns:
    False, with nothing written, where matplotlib is not installed.

  Raises:
    ValueError: a matrix does not fit the names.
  """
  wanted = (len(row_names), len(column_names))
  for title, values in panels:
    if values.shape != wanted:
      raise ValueError(f'{title}: want {wanted} values, got {values.shape}')
  if not _figure.has_matplotlib():
    return False
  side = 0.17 * max(wanted) + 1.2
  figure = _figure.new_figure(side * len(panels) + 1.8, side + 1.6)
  axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
  image = None
  for place, (title, values) in enumerate(panels):
    image = axes[place].imshow(
        values, cmap='RdBu_r', vmin=-1.0, vmax=1.0, interpolation='nearest'
    )
    axes[place].set_xticks(range(wanted[1]), column_names, rotation=90)
    axes[place].set_yticks(range(wanted[0]), row_names)
    axes[place].tick_params(labelsize=6, length=0)
    axes[place].set_xlabel(column_label, fontsize=8)
    axes[place].set_title(title, fontsize=9)
  axes[0].set_ylabel(row_label, fontsize=8)
  figure.colorbar(image, ax=list(axes), shrink=0.7, label='Spearman')
  _figure.save(figure, path)
  return True
