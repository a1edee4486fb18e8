"""Whether to reuse a proxy device, to adapt it, or to measure more."""

from __future__ import annotations

import dataclasses

from nasflat_jax import transfer

# Enough monotonicity, by the paper.
THRESHOLD = 0.9
# Fewer are not worth another visit to the device.
_LEAST_MORE = 5


@dataclasses.dataclass(frozen=True)
class ProxyDecision:
  """What to do with a proxy.

  Attributes:
    action: `reuse` the proxy's latencies, `adapt` them, or `measure` more.
    proxy: monotonicity of proxy and target.
    adapted: monotonicity of the adapted predictor and the target.
    uses_proxy: whether to search by the proxy (or else by the adapted
      predictor); with `measure`, the better of two that are not good enough.
    num_more: architectures to measure before deciding again; 0 unless the
      action is `measure`.
  """

  action: str
  proxy: transfer.Monotonicity
  adapted: transfer.Monotonicity
  uses_proxy: bool
  num_more: int


def _plain(one: transfer.Monotonicity) -> transfer.Monotonicity:
  """The same with floats in place of arrays."""
  return transfer.Monotonicity(
      float(one.estimate), float(one.lower), float(one.upper)
  )


def check_shares(**shares: float) -> None:
  """Refuses what is not between 0 and 1, by its name."""
  for name, value in shares.items():
    if not 0.0 < value < 1.0:
      raise ValueError(f'{name} must be between 0 and 1, got {value}')


def stricter(confidence: float, num_choices: int) -> float:
  """Bonferroni: the best of many is better by chance."""
  return 1.0 - (1.0 - confidence) / num_choices


def check_counts(**counts: int) -> None:
  """Refuses what is below 1, by its name."""
  for name, value in counts.items():
    if value < 1:
      raise ValueError(f'{name} must be 1 or more, got {value}')


def decide(
    proxy: transfer.Monotonicity,
    adapted: transfer.Monotonicity,
    num_measured: int,
    *,
    threshold: float = THRESHOLD,
    confidence: float = 0.9,
    num_choices: int = 1,
) -> ProxyDecision:
  """Decides whether to reuse a proxy, to adapt it, or to measure more.

  Args:
    proxy: monotonicity of proxy and target.
    adapted: monotonicity of the adapted predictor's out-of-fold predictions and
      the target.
    num_measured: architectures measured on the target, k.
    threshold: correlation that is enough.
    confidence: of the intervals.
    num_choices: as for `propose_by_proxy`, which the proxy's interval allows
      for already.

  Returns:
    `reuse` where the lower end of the proxy's interval reaches the threshold,
    else `adapt` where the adapted predictor's does, else `measure`: as many
    more as would settle it if the better estimate above the threshold stayed,
    and at most as many again, since adapting improves with every measurement.

  Raises:
    ValueError: the threshold or the confidence is not between 0 and 1, or there
      is no choice.
  """
  check_shares(threshold=threshold, confidence=confidence)
  check_counts(num_choices=num_choices)
  proxy, adapted = _plain(proxy), _plain(adapted)
  if proxy.lower >= threshold:
    return ProxyDecision('reuse', proxy, adapted, True, 0)
  if adapted.lower >= threshold:
    return ProxyDecision('adapt', proxy, adapted, False, 0)
  most = max(num_measured, 1)
  needed = [
      transfer.pairs_needed(one.estimate, threshold, confidence=level)
      for one, level in (
          (proxy, stricter(confidence, num_choices)), (adapted, confidence)
      )
      if one.estimate > threshold
  ]
  more = min((n - num_measured for n in needed if n), default=most)
  return ProxyDecision(
      'measure', proxy, adapted, bool(proxy.lower > adapted.lower),
      min(max(more, _LEAST_MORE), most),
  )
