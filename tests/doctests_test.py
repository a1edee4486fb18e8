"""Every example in a docstring of the package runs and prints what it says."""

import doctest
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nasflat_jax

_MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(
        nasflat_jax.__path__, prefix='nasflat_jax.'
    )
)


def _find(name: str) -> list[doctest.DocTest]:
  module = importlib.import_module(name)
  finder = doctest.DocTestFinder(exclude_empty=True)
  names = {'jax': jax, 'jnp': jnp, 'np': np}
  tests = finder.find(module, globs={**vars(module), **names})
  return [test for test in tests if test.examples]


@pytest.mark.parametrize('name', _MODULES)
def test_examples_of_module(name):
  runner = doctest.DocTestRunner(
      optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
  )
  for test in _find(name):
    runner.run(test)
  assert runner.failures == 0


def test_there_are_examples():
  assert sum(len(_find(name)) for name in _MODULES) >= 10
