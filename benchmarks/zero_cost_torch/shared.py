"""The thirteen zero-cost proxies of one network from as few passes as needed.

One forward gives nwot and the FLOPs; its backward from the loss grad_norm,
snip, plain and fisher, and differentiated once more grasp; its backward from
the logits to the images jacov and epe_nas. Synflow and zen have their own.
"""

from __future__ import annotations

from collections.abc import Mapping
import time

import networks
import numpy as np
import proxies
import torch
from torch import nn
import torch.nn.functional as F


def score(
    module: networks.Network,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    zen_weights: Mapping[str, np.ndarray] | None = None,
    noise: tuple[torch.Tensor, torch.Tensor] | None = None,
    seconds: dict[str, float] | None = None,
) -> dict[str, float]:
  """All proxies by name; the network's weights are zen's afterwards.

  Args:
    module: a fresh network.
    images: `[B, 3, H, W]`.
    labels: `[B]`.
    zen_weights: see `proxies.zen`.
    noise: see `proxies.zen`.
    seconds: if given, receives the seconds of each pass.
  """
  clock = _Clock(seconds)
  outputs: dict[nn.Module, torch.Tensor] = {}
  counts: dict[nn.Module, int] = {}
  kernel = np.zeros((len(images), len(images)))

  def record(layer, inputs, output):
    nonlocal kernel
    counts[layer] = proxies.layer_flops(layer, inputs[0], output)
    if isinstance(layer, nn.Conv2d | nn.Linear):
      outputs[layer] = output
    elif isinstance(layer, nn.ReLU):
      kernel = kernel + proxies.agreement(inputs[0])

  images = images.detach().clone().requires_grad_()
  hooks = [m.register_forward_hook(record) for m in module.modules()]
  logits = module(images)
  proxies.remove(hooks)
  clock('forward')

  (jacobian,) = torch.autograd.grad(logits.sum(), images, retain_graph=True)
  clock('images')

  layers = proxies.layers(module)
  weights = [x.weight for x in layers]
  gradients = torch.autograd.grad(
      F.cross_entropy(logits, labels),
      [*weights, *(outputs[x] for x in layers)],
      create_graph=True,
  )
  by_weight, by_output = gradients[: len(weights)], gradients[len(weights) :]
  constant = [g.detach() for g in by_weight]
  clock('gradient')

  product = sum((a * b).sum() for a, b in zip(constant, by_weight))
  curvature = torch.autograd.grad(product, weights)
  clock('grasp')

  with torch.no_grad():
    saliency = [w * g for w, g in zip(weights, constant)]
    scores = {
        'fisher': sum(
            proxies.layer_fisher(x, outputs[x], g)
            for x, g in zip(layers, by_output)
        ),
        'flops': sum(counts.values()) / 1e6,
        'grad_norm': sum(g.norm().item() for g in constant),
        'grasp': -sum(
            (w * h).sum().item() for w, h in zip(weights, curvature)
        ),
        'l2_norm': proxies.l2_norm(module, images, labels),
        'params': proxies.params(module, images, labels),
        'plain': sum(s.sum().item() for s in saliency),
        'snip': sum(s.abs().sum().item() for s in saliency),
    }
  matrix = proxies.correlation(jacobian)
  scores['epe_nas'] = proxies.epe_score(
      matrix, labels.cpu().numpy(), module.classifier.out_features
  )
  scores['jacov'] = proxies.jacov_score(matrix)
  scores['nwot'] = proxies.log_det(kernel)
  clock('reductions')
  scores['synflow'] = proxies.synflow(module, images, labels)
  clock('synflow')
  scores['zen'] = proxies.zen(
      module, images.detach(), labels, weights=zen_weights, noise=noise
  )
  clock('zen')
  return dict(sorted(scores.items()))


class _Clock:
  """Notes the seconds since the last call."""

  def __init__(self, seconds: dict[str, float] | None) -> None:
    self._seconds, self._last = seconds, time.perf_counter()

  def __call__(self, name: str) -> None:
    now = time.perf_counter()
    if self._seconds is not None:
      self._seconds[name] = now - self._last
    self._last = now
