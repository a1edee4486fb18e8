"""One proxy device: search on it, adapt it, or say what else to measure.

The workflow of Lu et al., "One Proxy Device Is Enough for Hardware-Aware Neural
Architecture Search", SIGMETRICS 2022, https://arxiv.org/abs/2111.01203: a few
measurements of the target tell how alike it orders architectures to a proxy
device. If enough, the proxy's optimal architectures are the target's. If not,
the proxy's model is adapted. Those found are measured on the target at last and
the dominated dropped. The paper decides by the estimated correlation; here by
the lower end of its confidence interval, which allows for having looked before.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import transfer
from nasflat_jax.search import _adapters
from nasflat_jax.search import _pareto
from nasflat_jax.search import _proxy_decision

_FOLDS = 10
_PADDING = 32


class ProxyProposal(NamedTuple):
  """What a search with a proxy finds before its finalists are measured.

  Attributes:
    decision: see `ProxyDecision`.
    latency_ms: `[N]` predicted on the target, milliseconds.
    finalists: `[F]` rows of the candidates, by rising predicted latency.
  """

  decision: _proxy_decision.ProxyDecision
  latency_ms: np.ndarray  # [N]
  finalists: np.ndarray  # [F]


@dataclasses.dataclass(frozen=True, eq=False)
class OneProxyResult:
  """What the workflow found.

  Attributes:
    decisions: one for each round of measuring.
    measured: `[M]` rows of the candidates that were measured, the finalists
      last.
    measured_ms: `[M]` their latencies on the target, milliseconds.
    latency_ms: `[N]` predicted latencies of all candidates.
    finalists: `[F]` rows of the candidates that the search found.
    front: `[P]` rows of the candidates: measured, and not dominated by another
      that was, by rising latency.
  """

  decisions: tuple[_proxy_decision.ProxyDecision, ...]
  measured: np.ndarray  # [M]
  measured_ms: np.ndarray  # [M]
  latency_ms: np.ndarray  # [N]
  finalists: np.ndarray  # [F]
  front: np.ndarray  # [P]


def _out_of_fold(
    adapt: _adapters.Adapter,
    genotype: np.ndarray,  # [k, G]
    latency_ms: np.ndarray,  # [k]
) -> np.ndarray:  # [k]
  """Each measurement predicted from those outside its fold."""
  size = len(latency_ms)
  rows = np.arange(size)
  folds = min(size, _FOLDS)
  outside = [rows[rows % folds != fold] for fold in range(folds)]
  # Folds that are one row smaller do without their last one.
  kept = np.stack([part[: min(map(len, outside))] for part in outside])
  predicted = adapt(genotype[kept], latency_ms[kept], genotype)
  return predicted[rows % folds, rows]


def _monotonicity(key, scores, latency_ms, confidence):
  """Of padded rows, so that a few more do not compile anew."""
  size = len(latency_ms)
  padding = (0, -size % _PADDING)
  return transfer.monotonicity(
      key,
      jnp.asarray(np.pad(scores, padding), jnp.float32),
      jnp.asarray(np.pad(latency_ms, padding), jnp.float32),
      where=jnp.arange(size + padding[1]) < size,
      confidence=confidence,
  )


def propose_by_proxy(
    key: chex.PRNGKey,
    candidates: np.ndarray,  # [N, G]
    objective: np.ndarray,  # [N]
    proxy_ms: np.ndarray,  # [N]
    support: np.ndarray,  # [k, G]
    support_ms: np.ndarray,  # [k]
    support_proxy_ms: np.ndarray,  # [k]
    *,
    adapt: _adapters.Adapter,
    where: np.ndarray | None = None,  # [N]
    threshold: float = _proxy_decision.THRESHOLD,
    confidence: float = 0.9,
    num_choices: int = 1,
    num_finalists: int = 10,
) -> ProxyProposal:
  """One round: estimates, decides, and searches all candidates.

  Args:
    key: typed PRNG key of the bootstrap.
    candidates: `[N, G]` architectures to search.
    objective: `[N]` what is to be large, e.g. accuracy.
    proxy_ms: `[N]` the candidates' latencies on the proxy, milliseconds.
    support: `[k, G]` measured architectures, a random sample, `k >= 4`.
    support_ms: `[k]` their latencies on the target, milliseconds, above 0.
    support_proxy_ms: `[k]` their latencies on the proxy.
    adapt: adapts the proxy's model, see `bayesian_adapter`.
    where: `[N]` True for candidates that may be found; None allows all.
    threshold: correlation that is enough.
    confidence: of the intervals.
    num_choices: devices among which the same sample chose the proxy. The
      proxy's interval then has confidence `1 - (1 - confidence) / num_choices`
      (Bonferroni), so that the best of many by chance is not reused.
    num_finalists: the most to propose. A longer front is thinned evenly.

  Returns:
    The proposal.

  Raises:
    ValueError: there are fewer than four measurements, no candidate is allowed,
      or a number is out of range.
  """
  _proxy_decision.check_shares(threshold=threshold, confidence=confidence)
  _proxy_decision.check_counts(
      num_choices=num_choices, num_finalists=num_finalists
  )
  size = len(support_ms)
  if size < transfer.LEAST_PAIRS:
    raise ValueError(
        f'{size} measurements; at least {transfer.LEAST_PAIRS} are needed'
    )
  chex.assert_shape([objective, proxy_ms], (len(candidates),))
  chex.assert_shape(support_proxy_ms, (size,))
  chex.assert_shape(support, (size, candidates.shape[1]))
  where = np.ones(len(candidates), bool) if where is None else where
  where = where & np.isfinite(objective) & np.isfinite(proxy_ms)
  if not where.any():
    raise ValueError('no candidate is allowed')
  left_out = _out_of_fold(adapt, support, support_ms)
  keys = jax.random.split(key)
  proxy, adapted = (
      _monotonicity(
          keys[0], support_proxy_ms, support_ms,
          _proxy_decision.stricter(confidence, num_choices),
      ),
      _monotonicity(keys[1], left_out, support_ms, confidence),
  )
  decision = _proxy_decision.decide(
      proxy, adapted, size, threshold=threshold, confidence=confidence,
      num_choices=num_choices,
  )
  if decision.uses_proxy:
    latency_ms = _adapters.rescale(support_proxy_ms, support_ms, proxy_ms)
    order = proxy_ms
  else:
    order = latency_ms = adapt(support[None], support_ms[None], candidates)[0]
  front = _pareto.pareto_front(
      np.stack([order, -np.asarray(objective, np.float64)], axis=1), where
  )
  if len(front) > num_finalists:
    front = front[
        np.linspace(0, len(front) - 1, num_finalists).round().astype(int)
    ]
  return ProxyProposal(decision, latency_ms, front)


def verified_front(
    objective: np.ndarray,  # [M]
    measured_ms: np.ndarray,  # [M]
) -> np.ndarray:  # [P]
  """Drops the measured architectures that another one dominates.

  Args:
    objective: `[M]` what is to be large.
    measured_ms: `[M]` measured latencies.

  Returns:
    `[P]` rows that are left, by rising latency.
  """
  return _pareto.pareto_front(
      np.stack([measured_ms, -np.asarray(objective, np.float64)], axis=1)
  )


def _measure(
    measure: Callable[[np.ndarray], np.ndarray],
    genotype: np.ndarray,  # [n, G]
) -> np.ndarray:  # [n]
  """Measures, and refuses what is not a latency."""
  latency_ms = np.asarray(measure(genotype), np.float64)
  if latency_ms.shape != (len(genotype),):
    raise ValueError(
        f'measure must give [{len(genotype)}], got {latency_ms.shape}'
    )
  bad = np.flatnonzero(~((latency_ms > 0.0) & np.isfinite(latency_ms)))
  if len(bad):
    raise ValueError(
        f'measure gave {latency_ms[bad[0]]} for {genotype[bad[0]].tolist()}; '
        'want milliseconds above 0'
    )
  return latency_ms


def one_proxy(
    key: chex.PRNGKey,
    measure: Callable[[np.ndarray], np.ndarray],
    candidates: np.ndarray,  # [N, G]
    objective: np.ndarray,  # [N]
    proxy_ms: np.ndarray,  # [N]
    *,
    adapt: _adapters.Adapter,
    where: np.ndarray | None = None,  # [N]
    num_support: int = 10,
    max_support: int = 80,
    threshold: float = _proxy_decision.THRESHOLD,
    confidence: float = 0.9,
    num_finalists: int = 10,
) -> OneProxyResult:
  """The whole workflow, with a function that measures.

  Args:
    key: typed PRNG key of what to measure and of the bootstrap.
    measure: `genotype [n, G] -> [n]` milliseconds on the target, above 0.
    candidates: `[N, G]` architectures to search.
    objective: `[N]` what is to be large.
    proxy_ms: `[N]` latencies on the proxy.
    adapt: adapts the proxy's model.
    where: `[N]` True for candidates that may be measured and found.
    num_support: architectures to measure at first.
    max_support: the most to measure before the finalists.
    threshold: correlation that is enough.
    confidence: of the intervals of all rounds together: each round spends half
      of the error that is left, the last possible one all of it (Bonferroni).
    num_finalists: the most to measure at last.

  Returns:
    The result; `decisions[-1].action` is `measure` where `max_support` were not
    enough, and the finalists are the best that is known.

  Raises:
    ValueError: as `propose_by_proxy`, fewer candidates than measurements, or
      what was measured is not a latency.
  """
  # Before anything is measured.
  _proxy_decision.check_shares(threshold=threshold, confidence=confidence)
  _proxy_decision.check_counts(num_finalists=num_finalists)
  where = np.ones(len(candidates), bool) if where is None else where
  where = where & np.isfinite(objective) & np.isfinite(proxy_ms)
  if not where.any():
    raise ValueError('no candidate is allowed')
  draw_key, key = jax.random.split(key)
  queue = np.asarray(jax.random.permutation(draw_key, np.flatnonzero(where)))
  if not transfer.LEAST_PAIRS <= num_support <= min(max_support, len(queue)):
    raise ValueError(
        f'num_support must be from {transfer.LEAST_PAIRS} to '
        f'{min(max_support, len(queue))}, got {num_support}'
    )
  decisions: list[_proxy_decision.ProxyDecision] = []
  rows, measured_ms = queue[:0], np.zeros(0)
  more, error = num_support, 1.0 - confidence
  while True:
    new = queue[len(rows) : len(rows) + more]
    rows = np.concatenate([rows, new])
    measured_ms = np.concatenate(
        [measured_ms, _measure(measure, candidates[new])]
    )
    left = min(max_support, len(queue)) - len(rows)
    spent = error / 2.0 if left else error
    error -= spent
    key, round_key = jax.random.split(key)
    proposal = propose_by_proxy(
        round_key, candidates, objective, proxy_ms, candidates[rows],
        measured_ms, proxy_ms[rows], adapt=adapt, where=where,
        threshold=threshold, confidence=1.0 - spent,
        num_finalists=num_finalists,
    )
    decisions.append(proposal.decision)
    more = min(proposal.decision.num_more, left)
    if not more:
      break
  unseen = np.setdiff1d(proposal.finalists, rows)
  if unseen.size:
    rows = np.concatenate([rows, unseen])
    measured_ms = np.concatenate(
        [measured_ms, _measure(measure, candidates[unseen])]
    )
  front = rows[verified_front(objective[rows], measured_ms)]
  return OneProxyResult(
      tuple(decisions), rows, measured_ms, proposal.latency_ms,
      proposal.finalists, front,
  )
