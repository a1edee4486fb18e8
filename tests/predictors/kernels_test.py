"""Kernels averaged by evidence, against NumPy in double precision."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors

_KERNELS, _HYPOTHESES = 3, 40


def _problem(size, seed=0):
  rng = np.random.default_rng(seed)
  support = rng.normal(size=(_KERNELS, size, 5))
  query = rng.normal(size=(_KERNELS, 7, 5))
  gram = support @ support.swapaxes(1, 2) / 5
  cross = query @ support.swapaxes(1, 2) / 5
  prior = predictors.KernelPrior(
      weight=jnp.asarray(
          rng.dirichlet(np.ones(_KERNELS), size=_HYPOTHESES), jnp.float32
      ),
      noise=jnp.asarray(np.exp(rng.normal(size=_HYPOTHESES)), jnp.float32),
      log_prob=jnp.asarray(rng.normal(size=_HYPOTHESES), jnp.float32),
  )
  as_float = lambda x: jnp.asarray(x, jnp.float32)
  return prior, as_float(gram), as_float(cross), as_float(rng.normal(size=size))


def _in_numpy(prior, gram, cross, label, known=None):
  """The formulas as they stand, by LAPACK."""
  weight, noise, log_prob, gram, cross, label = (
      np.asarray(x, np.float64) for x in (*prior[:3], gram, cross, label)
  )
  size = len(label)
  expected = np.zeros((len(noise), 1)), np.zeros((len(noise), 1))
  if known is not None:
    expected = tuple(np.asarray(prior.slope) @ rows.T for rows in known)
  left = label - expected[0]
  total = np.einsum('hk,kij->hij', weight, gram) + 1.0
  total += noise[:, None, None] * np.eye(size)
  left = np.broadcast_to(left, (len(noise), size))
  dual = np.linalg.solve(total, left[..., None])[..., 0]
  evidence = log_prob - 0.5 * np.linalg.slogdet(total)[1]
  squared = (dual * left).sum(axis=1)
  evidence -= (1.0 + size / 2) * np.log(0.3 + 0.5 * squared)
  prob = np.exp(evidence - evidence.max())
  prob /= prob.sum()
  means = np.einsum('hk,kbn,hn->hb', weight, cross, dual)
  return prob, prob @ (means + dual.sum(axis=1)[:, None] + expected[1])


class KernelsTest(parameterized.TestCase):

  @parameterized.parameters(1, 7, 20, 47)
  def test_against_double_precision(self, size):
    prior, gram, cross, label = _problem(size)
    posterior = predictors.fit_kernels(prior, gram, label)
    prob, mean = _in_numpy(prior, gram, cross, label)
    np.testing.assert_allclose(posterior.prob, prob, atol=1e-5)
    np.testing.assert_allclose(
        predictors.predict_kernels(posterior, cross), mean, atol=2e-5
    )

  def test_what_is_believed_against_double_precision(self):
    prior, gram, cross, label = _problem(9)
    rng = np.random.default_rng(5)
    prior = prior._replace(
        slope=jnp.asarray(rng.uniform(size=(_HYPOTHESES, 2)), jnp.float32)
    )
    known = np.float32(rng.normal(size=(9, 2))), np.float32(
        rng.normal(size=(7, 2))
    )
    posterior = predictors.fit_kernels(prior, gram, label, known=known[0])
    prob, mean = _in_numpy(prior, gram, cross, label, known)
    np.testing.assert_allclose(posterior.prob, prob, atol=1e-5)
    np.testing.assert_allclose(
        predictors.predict_kernels(posterior, cross, known[1]), mean, atol=5e-5
    )
    # Labels that follow what is believed leave nothing to the kernels.
    exact = prior._replace(slope=jnp.ones((_HYPOTHESES, 2)))
    posterior = predictors.fit_kernels(
        exact, gram, jnp.asarray(known[0].sum(axis=1)), known=known[0]
    )
    np.testing.assert_allclose(posterior.dual, 0.0, atol=1e-5)

  def test_padding_changes_nothing(self):
    prior, gram, cross, label = _problem(9)
    posterior = predictors.fit_kernels(prior, gram, label)
    padded = predictors.fit_kernels(
        prior,
        jnp.pad(gram, ((0, 0), (0, 14), (0, 14)), constant_values=3.0),
        jnp.pad(label, (0, 14), constant_values=jnp.nan),
        where=jnp.arange(23) < 9,
    )
    np.testing.assert_allclose(padded.dual[:, :9], posterior.dual, atol=1e-5)
    np.testing.assert_array_equal(padded.dual[:, 9:], 0.0)
    np.testing.assert_allclose(padded.prob, posterior.prob, atol=1e-5)
    np.testing.assert_allclose(
        padded.log_evidence, posterior.log_evidence, atol=1e-4
    )

  def test_vmap_and_jit(self):
    problems = [_problem(6, seed) for seed in (1, 2)]
    prior = problems[0][0]
    gram, cross, label = (
        jnp.stack([p[i] for p in problems]) for i in (1, 2, 3)
    )

    @jax.jit
    def both(gram, cross, label):
      fit = jax.vmap(predictors.fit_kernels, (None, 0, 0))
      posterior = fit(prior, gram, label)
      return jax.vmap(predictors.predict_kernels)(posterior, cross)

    for row, one in zip(both(gram, cross, label), problems, strict=True):
      alone = predictors.fit_kernels(prior, one[1], one[3])
      np.testing.assert_allclose(
          row, predictors.predict_kernels(alone, one[2]), atol=1e-5
      )

  def test_the_labels_choose_the_kernel(self):
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(2, 60, 1))
    label = columns[1, :40, 0] * 1.5
    gram = columns[:, :40] @ columns[:, :40].swapaxes(1, 2)
    share = np.linspace(0.0, 1.0, 11)
    prior = predictors.KernelPrior(
        weight=jnp.asarray(np.stack([share, 1.0 - share], 1), jnp.float32),
        noise=jnp.full(11, 0.1), log_prob=jnp.zeros(11),
    )
    posterior = predictors.fit_kernels(
        prior, jnp.asarray(gram, jnp.float32), jnp.asarray(label, jnp.float32)
    )
    self.assertLess(float(posterior.prob @ share), 0.3)

  def test_gaussian_kernel(self):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    wanted = np.exp(-0.5 * ((a[:, None] - b) ** 2).sum(-1))
    np.testing.assert_allclose(
        predictors.gaussian_kernel(jnp.asarray(a), jnp.asarray(b)), wanted,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        predictors.linear_kernel(jnp.asarray(a), jnp.asarray(b)), a @ b.T,
        atol=1e-5,
    )


if __name__ == '__main__':
  absltest.main()
