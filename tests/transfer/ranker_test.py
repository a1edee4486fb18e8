"""Training of a ranking network on draws of one task."""

import dataclasses
import functools

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer

_POOL = 60
_PREDICTOR = predictors.proxy_mlp(width=16, depth=2)


@functools.cache
def _pool():
  """Architectures whose label is a sum of two of their four columns."""
  space = spaces.NASBENCH201
  columns = np.random.default_rng(0).normal(size=(_POOL, 4))
  architectures = dataclasses.replace(
      space.decode(space.random(jax.random.key(0), _POOL)),
      encoding=jnp.asarray(columns, jnp.float32),
  )
  return architectures, columns[:, 0] - 2.0 * columns[:, 2]


@functools.cache
def _network(**keywords):
  return transfer.task_network(
      _PREDICTOR, epochs=40, learning_rate=1e-2, **keywords
  )


def _fit(network, rows, *, length=None, key=0, **keywords):
  """Trains on one draw, padded to a length."""
  architectures, label = _pool()
  length = length or len(rows)
  ids = np.resize(rows, length)[None]
  where = (np.arange(length) < len(rows))[None]
  return network.fit(
      jax.random.key(key)[None], architectures, ids,
      jnp.asarray(label[ids], jnp.float32), where=where, **keywords,
  )


class TaskNetworkTest(absltest.TestCase):

  def test_orders_what_it_has_not_seen(self):
    architectures, label = _pool()
    params = _fit(_network(), np.arange(32))
    scores = np.asarray(_network().score(params, architectures))[0, 32:]
    self.assertGreater(stats.spearmanr(scores, label[32:])[0], 0.8)

  def test_padding_never_enters(self):
    architectures, label = _pool()
    rows = np.arange(5)
    ids = np.concatenate([rows, [7, 8, 9]])[None]
    where = (np.arange(8) < 5)[None]
    labels = jnp.asarray(label[ids], jnp.float32)
    keys = jax.random.key(0)[None]
    fit = _network().fit
    a = fit(keys, architectures, ids, labels, where=where)
    ids[0, 5:], labels = 50, labels.at[0, 5:].set(jnp.nan)
    b = fit(keys, architectures, ids, labels, where=where)
    jax.tree.map(np.testing.assert_array_equal, a, b)

  def test_two_rows_are_enough_and_one_trains_nothing(self):
    start = jax.tree.map(lambda x: x[0], _fit(_network(), [0, 1], length=8))
    two = _fit(_network(), [2, 3], length=8, params=start)
    one = _fit(_network(), [2], length=8, params=start)
    for a, b, s in zip(*map(jax.tree.leaves, (two, one, start)), strict=True):
      np.testing.assert_array_equal(b[0], s)
      self.assertTrue(np.isfinite(a).all())
    self.assertGreater(
        max(np.abs(a - b).max() for a, b in
            zip(jax.tree.leaves(two), jax.tree.leaves(one), strict=True)),
        1e-3,
    )

  def test_draws_do_not_see_each_other(self):
    architectures, label = _pool()
    ids = np.arange(24).reshape(3, 8)
    keys = jax.random.split(jax.random.key(0), 3)
    labels = jnp.asarray(label[ids], jnp.float32)
    together = _network(draws_at_once=3).fit(keys, architectures, ids, labels)
    for t in (2, 0):  # in another order
      alone = _network().fit(
          keys[t, None], architectures, ids[t, None], labels[t, None]
      )
      jax.tree.map(
          lambda a, b, t=t: np.testing.assert_allclose(
              a[t], b[0], rtol=1e-4, atol=1e-5
          ),
          together, alone,
      )

  def test_shrinkage_keeps_near_the_start(self):
    start = jax.tree.map(lambda x: x[0], _fit(_network(), np.arange(32)))

    def distance(network):
      params = _fit(network, np.arange(40, 48), params=start)
      return sum(
          float(jnp.sum((a[0] - b) ** 2)) for a, b in
          zip(jax.tree.leaves(params), jax.tree.leaves(start), strict=True)
      )

    free, held = distance(_network()), distance(_network(shrinkage=30.0))
    self.assertLess(held, 0.5 * free)

  def test_is_adamw_with_a_cosine(self):
    # One batch of all rows, so that the order of rows does not matter.
    architectures, label = _pool()
    rows = jnp.arange(8)
    batch = jax.tree.map(lambda x: x[rows], architectures)
    label = jnp.asarray(label[:8], jnp.float32)
    devices = transfer.no_device(8)
    params = _PREDICTOR.init(jax.random.key(3), batch, devices)
    ours = transfer.fit_ranker(
        jax.random.key(0), _PREDICTOR, batch, label, params=params, epochs=20,
        learning_rate=1e-2, weight_decay=1e-2, loss_fn=transfer.summed_error,
    )
    optimizer = optax.adamw(
        optax.cosine_decay_schedule(1e-2, 20, alpha=1e-3), weight_decay=1e-2
    )
    state = optimizer.init(params)

    def loss(params):
      scores = _PREDICTOR.apply(params, batch, devices)
      return jnp.sum(jnp.abs(scores - label))

    for _ in range(20):
      updates, state = optimizer.update(jax.grad(loss)(params), state, params)
      params = optax.apply_updates(params, updates)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        ours, params,
    )

  def test_unit_labels_ignore_scale_and_padding(self):
    network = _network(unit_labels=True, loss_fn=transfer.summed_error)
    architectures, label = _pool()
    ids = np.arange(8)[None]
    where = (np.arange(8) < 6)[None]
    label = jnp.asarray(label[ids], jnp.float32)
    key = jax.random.key(0)[None]
    a = network.fit(key, architectures, ids, label, where=where)
    other = (5.0 * label - 3.0).at[0, 6:].set(1e6)
    b = network.fit(key, architectures, ids, other, where=where)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
        a, b,
    )

  def test_refuses_batches_of_one(self):
    architectures, label = _pool()
    with self.assertRaisesRegex(ValueError, 'batch_size.*1'):
      transfer.fit_ranker(
          jax.random.key(0), _PREDICTOR, architectures, jnp.asarray(label),
          batch_size=1,
      )


if __name__ == '__main__':
  absltest.main()
