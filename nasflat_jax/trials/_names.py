"""From the names a person types to functions: the namespace is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import inspect
import types
from typing import Any


def public(namespace: types.ModuleType, name: str, *, flag: str) -> Any:
  """A public function of a sub-package; types, in CapWords, do not count.

  Args:
    namespace: the sub-package, e.g. `nasflat_jax.methods`.
    name: the function's name.
    flag: the flag that names it, for the message.

  Raises:
    ValueError: there is none; the message names the flag and the choices.
  """
  names = sorted(known for known in namespace.__all__ if known.islower())
  if name not in names:
    raise ValueError(
        f'--{flag}: unknown {name!r}; choose from {", ".join(names)}'
    )
  return getattr(namespace, name)


def make(factory: Callable[..., Any], options: Mapping[str, Any]) -> Any:
  """Calls a factory with those of the options that it takes."""
  taken = inspect.signature(factory).parameters
  return factory(**{k: v for k, v in options.items() if k in taken})
