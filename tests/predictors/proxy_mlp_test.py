"""The perceptron on proxies: its formula and its initial variances."""

import dataclasses

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types


def _rows(width, batch=5):
  space = spaces.FBNET
  encoding = jax.random.normal(jax.random.key(1), (batch, width))
  architectures = dataclasses.replace(
      space.decode(space.random(jax.random.key(0), batch)), encoding=encoding
  )
  return architectures, types.Devices(
      index=jnp.zeros(batch, jnp.int32), reference=jnp.zeros((batch, 0))
  )


class ProxyMlpTest(absltest.TestCase):

  def test_matches_float64(self):
    predictor = predictors.proxy_mlp()
    rows = _rows(26)
    params = jax.jit(predictor.init)(jax.random.key(0), *rows)
    hidden = np.asarray(rows[0].encoding, np.float64)
    for depth in range(4):
      hidden = np.maximum(hidden, 0.0) if depth else hidden
      layer = params[f'layer_{depth}']
      hidden = hidden @ np.float64(layer['kernel']) + np.float64(layer['bias'])
    self.assertEqual(hidden.shape, (5, 1))
    expected = 1.0 / (1.0 + np.exp(-hidden[:, 0]))
    np.testing.assert_allclose(
        predictor.apply(params, *rows), expected, rtol=1e-5
    )

  def test_initial_variances_are_the_published_ones(self):
    predictor = predictors.proxy_mlp(width=200)
    params = jax.jit(predictor.init)(jax.random.key(0), *_rows(26))
    kernel, bias = params['layer_1']['kernel'], params['layer_1']['bias']
    self.assertAlmostEqual(float(kernel.var()) / (2 / 400), 1.0, delta=0.05)
    self.assertAlmostEqual(float(bias.var()) / (1 / 200), 1.0, delta=0.35)

  def test_refuses_nothing_to_read(self):
    predictor = predictors.proxy_mlp()
    with self.assertRaisesRegex(ValueError, 'needs an encoding'):
      predictor.init(jax.random.key(0), *_rows(0))


if __name__ == '__main__':
  absltest.main()
