"""AdaProxy under three norms, against SciPy and against the ridge path."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from nasflat_jax import predictors

_NORMS = {'1': 1, '2': 2, 'inf': np.inf}


def _problem(num_rows=40, width=6, seed=0, noise=0.3):
  rng = np.random.default_rng(seed)
  columns = rng.integers(0, 2, (num_rows, width)) * rng.uniform(0.5, 2, width)
  change = 0.6 * rng.normal(size=width)
  latency_ms = columns @ (2.0 + change) + 7.0
  return columns, latency_ms + noise * rng.normal(size=num_rows)


def _loss(values, columns, latency_ms, penalty, norm):
  scale, offset, change = values[0], values[1], values[2:]
  error = columns @ (scale + change) + offset - latency_ms
  return np.mean(error**2) + penalty * np.linalg.norm(change, norm)


def _reference(columns, latency_ms, penalty, norm):
  """The optimum by a general solver of smooth constrained problems.

  1 and infinity as the epigraph, b = p - q with p, q >= 0.
  """
  width = columns.shape[1]
  if norm == 2:
    found = min(
        (
            optimize.minimize(
                _loss, start, (columns, latency_ms, penalty, norm),
                method='L-BFGS-B', options={'maxiter': 5000, 'ftol': 1e-15,
                                            'gtol': 1e-10},
            )
            for start in (np.full(width + 2, 0.1), np.r_[2, 7, np.ones(width)])
        ),
        key=lambda x: x.fun,
    )
    return found.fun

  def split(values):
    up, down = values[2 : 2 + width], values[2 + width : 2 + 2 * width]
    return np.r_[values[:2], up - down]

  def value(values):
    plain = split(values)
    error = columns @ (plain[0] + plain[2:]) + plain[1] - latency_ms
    size = values[2 : 2 + 2 * width].sum() if norm == 1 else values[-1]
    return np.mean(error**2) + penalty * size

  bounds = [(None, None)] * 2 + [(0, None)] * (2 * width)
  constraints = []
  start = np.r_[2.0, 7.0, np.full(2 * width, 0.1)]
  if norm == np.inf:
    bounds.append((0, None))
    start = np.r_[start, 1.0]
    constraints = [{
        'type': 'ineq',
        'fun': lambda v: v[-1] - v[2:-1].reshape(2, width).sum(axis=0),
    }]
  found = optimize.minimize(
      value, start, method='SLSQP', bounds=bounds, constraints=constraints,
      options={'maxiter': 2000, 'ftol': 1e-14},
  )
  return _loss(split(found.x), columns, latency_ms, penalty, norm)


def _fit(columns, latency_ms, norm, where=None, is_double=False):
  """One shape, so that a norm compiles once."""
  where = np.ones(len(latency_ms), bool) if where is None else where
  with jax.enable_x64(is_double):
    return predictors.adaproxy_path(
        jnp.asarray(columns), jnp.asarray(latency_ms), norm=norm,
        where=jnp.asarray(where), num_steps=1000,
    )


class AdaproxyPathTest(parameterized.TestCase):

  @parameterized.parameters(*_NORMS)
  def test_is_the_optimum_of_the_penalty_chosen(self, norm):
    columns, latency_ms = _problem()
    fit = _fit(columns, latency_ms, norm, is_double=True)
    # The least penalty under which nothing changes, by its definition.
    free = np.stack([columns.sum(axis=1), np.ones(len(columns))], axis=1)
    rest = columns - free @ np.linalg.pinv(free) @ columns
    slope = 2.0 * rest.T @ latency_ms / len(columns)
    dual = {'1': np.inf, '2': 2, 'inf': 1}[norm]
    penalty = float(fit.penalty) * np.linalg.norm(slope, dual)
    got = _loss(
        np.r_[fit.scale, fit.offset, fit.change], columns, latency_ms, penalty,
        _NORMS[norm],
    )
    wanted = _reference(columns, latency_ms, penalty, _NORMS[norm])
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    self.assertLess(float(fit.penalty), 1.0)
    self.assertGreater(np.abs(fit.change).max(), 0.1)
    # float32 agrees.
    single = _fit(columns, latency_ms, norm)
    double, single = (columns @ np.asarray(f.scale + f.change)
                      for f in (fit, single))
    np.testing.assert_allclose(single, double, atol=0.02 * np.std(double))

  def test_the_two_norm_has_solutions_of_the_ridge_path(self):
    columns, latency_ms = _problem()
    proxy = predictors.LinearModel(np.ones(6), np.zeros(()))
    fit = _fit(columns, latency_ms, '2', is_double=True)
    change = np.asarray(fit.change, np.float64)
    # b solves the ridge of mu = penalty / (2 |b|), whatever penalty that is.
    free = np.stack([columns.sum(axis=1), np.ones(40)], axis=1)
    projection = np.eye(40) - free @ np.linalg.pinv(free)
    rest, target = projection @ columns, projection @ latency_ms
    slope = rest.T @ (target - rest @ change)
    mu = slope @ change / (change @ change)
    np.testing.assert_allclose(slope, mu * change, atol=1e-4 * abs(slope).max())
    closed = predictors.fit_adaproxy(proxy, columns, latency_ms)
    predicted = columns @ (float(fit.scale) + change) + float(fit.offset)
    np.testing.assert_allclose(
        predicted, predictors.predict_linear(closed, columns), atol=0.3
    )

  def test_masked_rows_do_not_count_and_vmap_does_not_mix(self):
    columns, latency_ms = _problem()
    where = np.arange(40) < 30
    ms = np.where(where, latency_ms, np.nan)
    alone = _fit(columns, ms, '1', where)
    both = jax.vmap(
        lambda x, y, w: predictors.adaproxy_path(
            x, y, norm='1', where=w, num_steps=1000
        )
    )(
        jnp.stack([columns, columns[::-1]]), jnp.stack([ms, 9 - ms[::-1]]),
        jnp.stack([where, where[::-1]]),
    )
    self.assertTrue(np.isfinite(both.error).all())
    np.testing.assert_allclose(both.change[0], alone.change, atol=1e-3)
    other = _fit(columns, np.where(where, latency_ms, 1e4), '1', where)
    np.testing.assert_allclose(other.change, alone.change, atol=1e-3)

  def test_few_rows_of_a_scaled_proxy_or_rows_all_alike(self):
    columns, _ = _problem()
    wanted = 3.0 * columns.sum(axis=1) + 5.0
    fit = _fit(columns, wanted, '1', np.arange(40) < 5)
    np.testing.assert_allclose(
        columns @ (fit.scale + fit.change) + fit.offset, wanted, rtol=1e-3
    )
    fit = _fit(
        np.tile(columns[0], (40, 1)), np.full(40, 9.0), '1', np.arange(40) < 5
    )
    predicted = columns[0] @ (fit.scale + fit.change) + fit.offset
    self.assertAlmostEqual(float(predicted), 9.0, places=4)
    self.assertGreater(float(fit.scale), 0.0)

  def test_refuses(self):
    columns, latency_ms = _problem()
    with self.assertRaisesRegex(ValueError, "norm: unknown '3'; .* 1, 2, inf"):
      predictors.adaproxy_path(columns, latency_ms, norm='3')
    with self.assertRaisesRegex(ValueError, 'num_folds'):
      predictors.adaproxy_path(columns, latency_ms, norm='1', num_folds=1)


if __name__ == '__main__':
  absltest.main()
