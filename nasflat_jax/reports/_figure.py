"""Figures where matplotlib is installed, saved whole."""

from __future__ import annotations

import importlib.util
import pathlib
from typing import Any

from nasflat_jax.reports import _results


def has_matplotlib() -> bool:
  """Whether the extra `plot` is installed; nothing is imported."""
  return importlib.util.find_spec('matplotlib') is not None


def new_figure(width: float, height: float) -> Any:
  """An empty figure of so many inches; imports matplotlib.

  The object interface: no window system, and no state of pyplot's to leak.
  """
  from matplotlib import figure as figures
  from matplotlib.backends import backend_agg

  figure = figures.Figure(
      figsize=(width, height), dpi=150, layout='constrained'
  )
  backend_agg.FigureCanvasAgg(figure)
  return figure


def save(figure: Any, path: str | pathlib.Path) -> None:
  """Writes a PNG file, atomically."""
  with _results.atomic_path(path) as partial:
    figure.savefig(partial, format='png')
