"""Outer gradients against closed forms in float64; HELP's modulator."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_network

from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types

_RATE = 0.03
_STEPS = 2


def _features(architectures):
  hot = jax.nn.one_hot(architectures.genotype, 5)
  return hot.reshape(hot.shape[0], -1)[:, ::3]


def _linear(seed=0):
  """Scores `features @ params`: the inner loss is quadratic."""

  def init(key, architectures, devices):
    del devices
    width = _features(architectures).shape[1]
    return 0.3 * jax.random.normal(key, (width,))

  def apply(params, architectures, devices, *, key=None):
    del devices, key
    return _features(architectures) @ params

  return types.Predictor(init, apply)


def _episodes(num_tasks=3, num_support=6, num_query=9):
  """Stacked episodes; the last row of each batch is padding."""
  episodes = []
  for task in range(num_tasks):
    genotype, latency_ms = tiny_network.devices(
        1, num=num_support + num_query, seed=task
    )
    label = transfer.standardise_log(latency_ms)[0][0]
    batches = []
    for rows in (slice(num_support), slice(num_support, None)):
      batch = tiny_network.batch(
          genotype[rows], label[rows], index=task, encoding='none'
      )
      where = batch.where.at[-1].set(False)
      batches.append(dataclasses.replace(batch, where=where))
    episodes.append(types.Episode(support=batches[0], query=batches[1]))
  return jax.tree.map(lambda *x: jnp.stack(x), *episodes)


def _matrices(batch):
  """`(X, y)` of each task in float64, padding left out."""
  result = []
  for task in range(len(batch.label)):
    one = jax.tree.map(lambda x: x[task], batch)
    x = np.float64(_features(one.architectures))[:-1]
    result.append((x, np.float64(one.label)[:-1]))
  return result


def _gradient(x, y, w):
  return 2.0 / len(y) * x.T @ (x @ w - y)


def _inner(x, y, w, rates=_RATE):
  for _ in range(_STEPS):
    w = w - rates * _gradient(x, y, w)
  return w


def _tasks(episodes):
  return zip(_matrices(episodes.support), _matrices(episodes.query))


class OuterGradientTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.episodes = _episodes()

  def _step(self, make, **keywords):
    """`(meta_params before, gradient)`: one step of descent by 1."""
    algorithm = make(
        _linear(),
        optimizer=optax.sgd(1.0),
        inner_steps=_STEPS,
        inner_learning_rate=_RATE,
        **keywords,
    )
    state = algorithm.init(jax.random.key(0), self.episodes)
    after, info = algorithm.step(jax.random.key(1), state, self.episodes)
    gradient = jax.tree.map(
        lambda a, b: np.float64(a) - np.float64(b),
        state.meta_params, after.meta_params,
    )
    return np.float64(state.meta_params.params), gradient, info

  @parameterized.parameters(1, 2)
  def test_maml_is_the_closed_form_of_its_order(self, order):
    start, gradient, info = self._step(transfer.maml, order=order)
    expected, loss = [], []
    for (x, y), (query_x, query_y) in _tasks(self.episodes):
      adapted = _inner(x, y, start)
      outer = _gradient(query_x, query_y, adapted)
      # The Jacobian of a step on a quadratic loss is I - rate * Hessian.
      jacobian = np.eye(len(start)) - _RATE * 2.0 / len(y) * x.T @ x
      for _ in range(_STEPS if order == 2 else 0):
        outer = jacobian @ outer
      expected.append(outer)
      loss.append(np.mean((query_x @ adapted - query_y) ** 2))
    expected = np.mean(expected, axis=0)
    np.testing.assert_allclose(gradient.params, expected, atol=2e-6)
    self.assertAlmostEqual(float(info.loss), np.mean(loss), places=5)
    self.assertAlmostEqual(
        float(info.grad_norm), np.linalg.norm(expected), places=5
    )

  def test_the_two_orders_differ(self):
    _, first, _ = self._step(transfer.maml, order=1)
    _, second, _ = self._step(transfer.maml, order=2)
    self.assertGreater(np.abs(first.params - second.params).max(), 1e-3)

  def test_meta_sgd_rates_by_finite_differences(self):
    start, gradient, _ = self._step(transfer.maml, learned_rates=True)

    def loss(rates):
      return np.mean([
          np.mean((query_x @ _inner(x, y, start, rates) - query_y) ** 2)
          for (x, y), (query_x, query_y) in _tasks(self.episodes)
      ])

    rates = np.full(len(start), _RATE)
    expected = [
        (loss(rates + step) - loss(rates - step)) / 2e-6
        for step in 1e-6 * np.eye(len(start))
    ]
    self.assertGreater(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(gradient.rates, expected, atol=1e-5)

  def test_reptile_moves_towards_the_mean_of_the_adapted(self):
    start, gradient, _ = self._step(transfer.reptile)
    adapted = [
        _inner(
            np.concatenate([x, query_x]), np.concatenate([y, query_y]), start
        )
        for (x, y), (query_x, query_y) in _tasks(self.episodes)
    ]
    expected = start - np.mean(adapted, axis=0)
    self.assertGreater(np.abs(expected).max(), 1e-3)
    np.testing.assert_allclose(gradient.params, expected, atol=1e-6)

  @parameterized.parameters(transfer.maml, transfer.reptile)
  def test_adapt_is_descent_on_the_support(self, make):
    algorithm = make(
        _linear(), optimizer=optax.sgd(1.0), inner_steps=_STEPS,
        inner_learning_rate=_RATE,
    )
    meta = algorithm.init(jax.random.key(0), self.episodes).meta_params
    support = jax.tree.map(lambda x: x[0], self.episodes.support)
    adapted = algorithm.adapt(jax.random.key(1), meta, support)
    x, y = _matrices(self.episodes.support)[0]
    np.testing.assert_allclose(
        adapted, _inner(x, y, np.float64(meta.params)), atol=1e-6
    )

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, 'order must be 1 or 2, got 3'):
      transfer.maml(_linear(), optimizer=optax.sgd(1.0), order=3)
    for make in (transfer.maml, transfer.reptile, transfer.help):
      with self.assertRaisesRegex(ValueError, 'inner_steps must be 1'):
        make(_linear(), optimizer=optax.sgd(1.0), inner_steps=0)


def _with_references(episodes):
  """One row of ten reference latencies for each task."""

  def change(batch):
    reference = jax.random.uniform(
        jax.random.key(3), (batch.label.shape[0], 1, 10)
    )
    shape = (*batch.label.shape, 10)
    devices = dataclasses.replace(
        batch.devices, reference=jnp.broadcast_to(reference, shape)
    )
    return dataclasses.replace(batch, devices=devices)

  return types.Episode(
      support=change(episodes.support), query=change(episodes.query)
  )


class HelpTest(absltest.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.episodes = _with_references(_episodes())
    cls.predictor = predictors.help(tiny_network.SPACE.spec)

  def _algorithm(self, **keywords):
    return transfer.help(
        self.predictor, optimizer=optax.sgd(1.0), **keywords
    )

  def _state(self, algorithm):
    return jax.jit(algorithm.init)(jax.random.key(0), self.episodes)

  def test_the_modulator_has_the_published_size(self):
    modulator = transfer.init_modulator(jax.random.key(0), 10)
    self.assertEqual(predictors.num_parameters(modulator), 13_376)
    z = transfer.modulation(modulator, jnp.ones(10))
    self.assertEqual((z.mean.shape, z.deviation.shape), ((603,), (603,)))

  def test_modulation_is_two_layers_and_a_softplus(self):
    modulator = transfer.init_modulator(jax.random.key(0), 10)
    reference = np.linspace(-1.0, 1.0, 10)
    (kernel, bias), (last, offset) = jax.tree.map(np.float64, modulator)
    hidden = np.maximum(reference @ kernel + bias, 0.0) @ last + offset
    z = transfer.modulation(modulator, jnp.asarray(reference, jnp.float32))
    np.testing.assert_allclose(z.mean, hidden[:603], atol=1e-5)
    np.testing.assert_allclose(
        z.deviation, np.log1p(np.exp(hidden[603:])), atol=1e-5
    )

  def test_divergence_by_integration(self):
    mean, deviation = 0.7, 0.4
    x = np.linspace(-8.0, 8.0, 200_001)
    log_p = -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation)
    density = np.exp(log_p) / np.sqrt(2.0 * np.pi)
    expected = np.sum(density * (log_p + 0.5 * x**2)) * (x[1] - x[0])
    z = transfer.Modulation(jnp.full(3, mean), jnp.full(3, deviation))
    self.assertAlmostEqual(
        float(transfer.divergence(z)), 3.0 * expected, places=4
    )
    standard = transfer.Modulation(jnp.zeros(5), jnp.ones(5))
    self.assertEqual(float(transfer.divergence(standard)), 0.0)

  @pytest.mark.slow
  def test_the_loss_adds_the_mean_divergence_of_all_devices(self):
    losses = []
    for weight in (0.0, 0.1):
      algorithm = self._algorithm(kl_weight=weight)
      state = self._state(algorithm)
      after, info = jax.jit(algorithm.step)(
          jax.random.key(1), state, self.episodes
      )
      losses.append(float(info.loss))
    references = self.episodes.support.devices.reference[:, 0]
    expected = np.mean([
        transfer.divergence(
            transfer.modulation(state.meta_params.modulator, reference)
        )
        for reference in references
    ])
    self.assertAlmostEqual(losses[1] - losses[0], 0.1 * expected, places=3)
    # Everything is learned: the start, the step sizes and the modulator.
    for part, moved in zip(state.meta_params, after.meta_params, strict=True):
      self.assertTrue(any(
          np.abs(a - b).max() > 0.0
          for a, b in zip(jax.tree.leaves(part), jax.tree.leaves(moved))
      ))

  def test_z_comes_from_the_key_and_the_reference(self):
    algorithm = self._algorithm(inner_learning_rate=0.0)
    meta = self._state(algorithm).meta_params
    adapt = jax.jit(algorithm.adapt)
    support, other = (
        jax.tree.map(lambda x, i=i: x[i], self.episodes.support)
        for i in range(2)
    )

    def head(key, support):
      adapted = adapt(jax.random.key(key), meta, support)
      (layer,) = adapted['head_1'].values()
      return layer['kernel']

    np.testing.assert_array_equal(head(0, support), head(0, support))
    self.assertGreater(np.abs(head(0, support) - head(1, support)).max(), 1e-5)
    self.assertGreater(np.abs(head(0, support) - head(0, other)).max(), 1e-7)
    # Without noise and mean there is no modulation, without rates no descent.
    (first, (kernel, bias)) = meta.modulator
    nothing = [first, (0.0 * kernel, jnp.where(
        jnp.arange(1206) < 603, 0.0, -100.0
    ))]
    adapted = adapt(
        jax.random.key(0), meta._replace(modulator=nothing), support
    )
    jax.tree.map(np.testing.assert_array_equal, adapted, meta.params)
    self.assertEqual(bias.shape, (1206,))


if __name__ == '__main__':
  absltest.main()
