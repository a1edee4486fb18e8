"""Scoring in chunks equals scoring at once."""

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_SPACE = spaces.NASBENCH201
_SIZE = 10


def _linear() -> types.Predictor:
  """One weight for each gene and device; cheap to compile."""

  def init(key, architectures, devices):
    del devices
    return jax.random.normal(key, (3, architectures.genotype.shape[1]))

  def apply(params, architectures, devices, *, key=None):
    del key
    chex.assert_shape(devices.reference, (devices.index.shape[0], 0))
    return jnp.sum(params[devices.index] * architectures.genotype, axis=1)

  return types.Predictor(init, apply)


def _case():
  predictor = _linear()
  genotype = _SPACE.random(jax.random.key(1), _SIZE)
  architectures = _SPACE.decode(genotype)
  params = predictor.init(jax.random.key(0), architectures, None)
  expected = np.asarray(genotype) @ np.asarray(params[2], np.float64)
  return predictor, params, architectures, expected


class ScoreTest(parameterized.TestCase):

  @parameterized.parameters(1, 3, 5, 9, 10, 11, 1024)
  def test_independent_of_chunk_size(self, chunk_size):
    predictor, params, architectures, expected = _case()
    scores = predictors.score(
        predictor,
        params,
        architectures,
        jnp.int32(2),
        chunk_size=chunk_size,
    )
    self.assertEqual(scores.shape, (_SIZE,))
    np.testing.assert_allclose(scores, expected, rtol=1e-5)

  def test_no_pass_exceeds_the_chunk(self):
    predictor, params, architectures, _ = _case()
    sizes = []

    def apply(params, architectures, devices, *, key=None):
      sizes.append(devices.index.shape[0])
      return predictor.apply(params, architectures, devices, key=key)

    predictors.score(
        types.Predictor(predictor.init, apply),
        params,
        architectures,
        jnp.int32(0),
        chunk_size=4,
    )
    self.assertEqual(set(sizes), {4})

  def test_nasflat_equals_apply(self):
    architectures = _SPACE.decode(_SPACE.random(jax.random.key(2), _SIZE))
    devices = types.Devices(
        index=jnp.ones(_SIZE, jnp.int32), reference=jnp.zeros((_SIZE, 0))
    )
    predictor = predictors.nasflat(
        _SPACE.spec, num_devices=2, layer=predictors.dense_graph_flow
    )
    shapes = jax.eval_shape(
        predictor.init, jax.random.key(0), architectures, devices
    )
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: jnp.asarray(0.2 * rng.normal(size=x.shape), jnp.float32),
        shapes,
    )
    scores = predictors.score(
        predictor, params, architectures, jnp.int32(1), chunk_size=4
    )
    expected = jax.jit(predictor.apply)(params, architectures, devices)
    self.assertGreater(float(expected.std()), 1e-3)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)

  def test_one_trace_for_many_devices(self):
    predictor, params, architectures, _ = _case()
    chex.clear_trace_counter()

    def run(params, device):
      return predictors.score(
          predictor, params, architectures, device, chunk_size=4
      )

    scored = jax.jit(chex.assert_max_traces(run, n=1))
    values = [scored(params, jnp.int32(device)) for device in range(3)]
    self.assertGreater(float(jnp.abs(values[0] - values[1]).max()), 1e-3)

  def test_no_architectures_no_scores(self):
    predictor, params, architectures, _ = _case()
    none = jax.tree.map(lambda x: x[:0], architectures)
    scores = predictors.score(predictor, params, none, jnp.int32(0))
    self.assertEqual(scores.shape, (0,))

  def test_rejects_a_chunk_of_nothing(self):
    predictor, params, architectures, _ = _case()
    with self.assertRaisesRegex(ValueError, 'chunk_size.*got 0'):
      predictors.score(
          predictor, params, architectures, jnp.int32(0), chunk_size=0
      )


if __name__ == '__main__':
  absltest.main()
