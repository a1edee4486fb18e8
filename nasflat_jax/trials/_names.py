"""From the names a person types to functions: the namespace is the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import inspect
import re
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


def split(text: str) -> list[str]:
  """Splits a list at its commas, those inside brackets excepted.

  Example:
    >>> split('flops, nasflat[predictor=gcn,adapt_steps=5]')
    ['flops', 'nasflat[predictor=gcn,adapt_steps=5]']
  """
  return [part.strip() for part in re.split(r',(?![^\[]*\])', text)]


def make_named(
    namespace: types.ModuleType,
    text: str,
    options: Mapping[str, Any],
    *,
    flag: str,
) -> Any:
  """Makes what `name` or `name[key=value,...]` describes.

  Args:
    namespace: the sub-package with the factory.
    text: the name, and options that only this one gets.
    options: options for whatever takes them; those in brackets go first.
    flag: the flag that held the text, for messages.

  Returns:
    What the factory gives.

  Raises:
    ValueError: the text is malformed, a name or an option is unknown, or a
      value is not of its default's type; the message names the flag.
  """
  factory, own = _parsed(namespace, text, flag)
  if not own:
    return make(factory, options)
  try:
    return make(factory, {**options, **own})
  except ValueError as error:
    raise ValueError(f'--{flag}: {text}: {error}') from error


def keywords_of(
    namespace: types.ModuleType,
    text: str,
    options: Mapping[str, Any],
    *,
    flag: str,
) -> dict[str, Any]:
  """All keywords that `make_named` calls the factory with, defaults included.

  Arguments and errors are those of `make_named`.
  """
  factory, own = _parsed(namespace, text, flag)
  given = {**options, **own}
  return {
      name: given.get(name, parameter.default)
      for name, parameter in inspect.signature(factory).parameters.items()
  }


def _parsed(
    namespace: types.ModuleType, text: str, flag: str
) -> tuple[Callable[..., Any], dict[str, Any]]:
  """The factory and the options in brackets."""
  match = re.fullmatch(r'([^\[\]]*)(?:\[([^\[\]]*)\])?', text)
  if match is None:
    raise ValueError(
        f'--{flag}: want name or name[key=value,...], got {text!r}'
    )
  name, inside = match.groups()
  factory = public(namespace, name, flag=flag)
  own: dict[str, Any] = {}
  if inside is None:
    return factory, own
  taken = inspect.signature(factory).parameters
  for item in inside.split(','):
    key, equals, value = (part.strip() for part in item.partition('='))
    if not equals or key in own:
      raise ValueError(
          f'--{flag}: {text!r} takes distinct key=value pairs, got {item!r}'
      )
    if key not in taken:
      raise ValueError(
          f'--{flag}: {name} has no option {key!r}; choose from '
          f'{", ".join(taken) or "none at all"}'
      )
    try:
      own[key] = _typed(value, taken[key].default)
    except ValueError as error:
      raise ValueError(f'--{flag}: {name}[{key}]: {error}') from error
  return factory, own


def _typed(value: str, default: object) -> Any:
  """A value of its default's type."""
  if isinstance(default, bool):
    if value.lower() not in ('true', 'false'):
      raise ValueError(f'want true or false, got {value!r}')
    return value.lower() == 'true'
  for kind in (int, float):
    if isinstance(default, kind):
      try:
        return kind(value)
      except ValueError:
        article = 'a whole number' if kind is int else 'a number'
        raise ValueError(f'want {article}, got {value!r}') from None
  if isinstance(default, str):
    return value
  raise ValueError('cannot be given on the command line')
