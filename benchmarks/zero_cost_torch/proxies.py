"""The thirteen zero-cost proxies, one function and its own passes for each.

Definitions of NAS-Bench-Suite-Zero (Krishnakumar et al.,
https://arxiv.org/abs/2210.03230). Layers are convolutions and linear layers,
by their weights only; L is the mean cross-entropy; g is its gradient. A
function takes a fresh network, images `[B, 3, H, W]` and labels `[B]`, and may
change the network. Degenerate networks give NaN or an infinity. Passes are
those of the reference: gradients of all weights even where only those of the
images are read, and grasp's gradient twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import math

import networks
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

_EPSILON = 1e-5
_STEP = 0.01  # of zen's perturbation


def layers(module: nn.Module) -> list[nn.Module]:
  """Convolutions and linear layers."""
  return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def _loss(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
  module.zero_grad()
  return F.cross_entropy(module(images), labels)


def _weights_and_gradients(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor]]:
  _loss(module, images, labels).backward()
  return [(x.weight.detach(), x.weight.grad) for x in layers(module)]


# --- Of the network alone ---


def params(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Parameters, batch normalisation's and biases included, in millions."""
  del images, labels
  return sum(p.numel() for p in module.parameters()) / 1e6


def l2_norm(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Sum over layers of the weights' Euclidean norms."""
  del images, labels
  return sum(x.weight.detach().norm().item() for x in layers(module))


def layer_flops(
    module: nn.Module, inputs: torch.Tensor, output: torch.Tensor
) -> int:
  """Multiply-adds, or elementwise operations, of a layer for one image."""
  elements = output[0].numel()
  if isinstance(module, nn.Conv2d | nn.Linear):
    return elements * module.weight[0].numel()
  if isinstance(module, nn.BatchNorm2d):
    return 2 * elements
  if isinstance(module, nn.AvgPool2d):
    return elements * module.kernel_size**2
  if isinstance(module, networks.GlobalPool):
    return elements * (inputs.shape[-1] + module.border) ** 2
  return elements if isinstance(module, nn.ReLU) else 0


def flops(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Millions of operations for an image; a layer called twice counts once."""
  del labels
  counts: dict[nn.Module, int] = {}

  def count(layer, inputs, output):
    counts[layer] = layer_flops(layer, inputs[0], output)

  hooks = [m.register_forward_hook(count) for m in module.modules()]
  with torch.no_grad():
    module(images[:1])
  remove(hooks)
  return sum(counts.values()) / 1e6


def remove(hooks: Iterable[torch.utils.hooks.RemovableHandle]) -> None:
  """Takes hooks off again."""
  for hook in hooks:
    hook.remove()


# --- Of the loss gradient ---


def grad_norm(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Sum over layers of the gradients' Euclidean norms."""
  pairs = _weights_and_gradients(module, images, labels)
  return sum(g.norm().item() for _, g in pairs)


def snip(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Sum of `|w g|`."""
  pairs = _weights_and_gradients(module, images, labels)
  return sum((w * g).abs().sum().item() for w, g in pairs)


def plain(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Sum of `w g`; rounding aside, of the layers without normalisation."""
  pairs = _weights_and_gradients(module, images, labels)
  return sum((w * g).sum().item() for w, g in pairs)


def layer_fisher(
    layer: nn.Module, output: torch.Tensor, gradient: torch.Tensor
) -> float:
  """Half the mean squared saliency of each channel, once for each weight."""
  saliency = output.detach() * gradient
  if saliency.ndim == 4:
    saliency = saliency.sum((2, 3))
  channels = saliency.square().mean(0) / 2
  return layer.weight[0].numel() * channels.sum().item()


def fisher(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Sum over layers of `layer_fisher`, outputs before normalisation."""
  outputs: dict[nn.Module, torch.Tensor] = {}

  def record(layer, _, output):
    output.retain_grad()
    outputs[layer] = output

  hooks = [x.register_forward_hook(record) for x in layers(module)]
  _loss(module, images, labels).backward()
  remove(hooks)
  return sum(layer_fisher(x, y, y.grad) for x, y in outputs.items())


def grasp(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """`-w . H g`, where H is the Hessian of the loss."""
  weights = [x.weight for x in layers(module)]
  first = torch.autograd.grad(_loss(module, images, labels), weights)
  loss = _loss(module, images, labels)
  second = torch.autograd.grad(loss, weights, create_graph=True)
  sum((a * b).sum() for a, b in zip(first, second)).backward()
  return -sum((w.detach() * w.grad).sum().item() for w in weights)


# --- Of the gradient of the summed logits with respect to the images ---


def _jacobian(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
  module.zero_grad()
  images = images.detach().clone().requires_grad_()
  module(images).sum().backward()
  return images.grad


def correlation(jacobian: torch.Tensor) -> np.ndarray:
  """Correlation `[B, B]` of an input gradient's rows in float64."""
  rows = jacobian.detach().flatten(1).double().cpu().numpy()
  with np.errstate(all='ignore'):
    return np.corrcoef(rows)


def jacov_score(matrix: np.ndarray) -> float:
  """Minus the sum of `log v + 1 / v` over eigenvalues, plus an epsilon."""
  if not np.isfinite(matrix).all():
    return math.nan
  values = np.linalg.eigvalsh(matrix).clip(0) + _EPSILON
  return -float(np.sum(np.log(values) + 1 / values))


def epe_score(
    matrix: np.ndarray, labels: np.ndarray, num_classes: int
) -> float:
  """Sum of classes' log-correlations, or of their differences if K > 100."""
  scores = []
  for label in np.unique(labels):
    members = np.flatnonzero(labels == label)
    if num_classes > 100 and members.size == 1:
      continue  # the reference fails on, and so drops, a class of one
    block = np.abs(matrix[np.ix_(members, members)])
    total = np.log(block + _EPSILON).sum()
    scores.append(total / members.size if num_classes > 100 else total)
  if num_classes <= 100:
    return float(np.abs(scores).sum())
  if not scores:
    return math.nan
  differences = np.subtract.outer(scores, scores)
  return float(np.abs(differences).sum() / len(scores))


def jacov(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """`jacov_score` of the images' correlation."""
  del labels
  return jacov_score(correlation(_jacobian(module, images)))


def epe_nas(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """`epe_score` of the images' correlation."""
  matrix = correlation(_jacobian(module, images))
  return epe_score(matrix, labels.cpu().numpy(), module.classifier.out_features)


# --- Of activations, or of other inputs and weights ---


def agreement(inputs: torch.Tensor) -> np.ndarray:
  """Pairs' number of ReLU inputs of equal sign, `[B, B]` in float64."""
  on = (inputs.detach() > 0).flatten(1).to(inputs.dtype)
  off = 1 - on
  return (on @ on.T + off @ off.T).double().cpu().numpy()


def log_det(kernel: np.ndarray) -> float:
  """Natural logarithm of the determinant's absolute value."""
  return float(np.linalg.slogdet(kernel)[1])


def nwot(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """`log_det` of the agreement, summed over calls of ReLU."""
  del labels
  kernel = np.zeros((len(images), len(images)))

  def add(_, inputs, __):
    nonlocal kernel
    kernel = kernel + agreement(inputs[0])

  relus = [m for m in module.modules() if isinstance(m, nn.ReLU)]
  hooks = [m.register_forward_hook(add) for m in relus]
  with torch.no_grad():
    module(images)
  remove(hooks)
  return log_det(kernel)


def synflow(
    module: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> float:
  """Natural logarithm of the sum of `|w dR/dw|`, in float64.

  R sums the logits of one image of ones, with absolute parameters and no
  normalisation. The network is not changed.
  """
  del labels
  absolute = {
      name: p.detach().double().abs().requires_grad_()
      for name, p in module.named_parameters()
  }
  norms = [m for m in module.modules() if isinstance(m, networks.BatchNorm)]
  for norm in norms:
    norm.bypass = True
  ones = torch.ones_like(images[:1], dtype=torch.float64)
  total = torch.func.functional_call(module, absolute, (ones,)).sum()
  for norm in norms:
    norm.bypass = False
  weights = [absolute[f'{name}.weight'] for name in layer_names(module)]
  gradients = torch.autograd.grad(total, weights)
  score = sum((w * g).abs().sum() for w, g in zip(weights, gradients))
  return score.detach().log().item()


def layer_names(module: nn.Module) -> list[str]:
  """Qualified names of `layers`, in the same order."""
  kinds = nn.Conv2d | nn.Linear
  return [n for n, m in module.named_modules() if isinstance(m, kinds)]


def zen(
    module: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    noise: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> float:
  """Log change of the features plus the logs of running deviations.

  Args:
    module: its weights are redrawn from N(0, 1).
    images: only the shape is read.
    labels: not read.
    weights: taken in place of fresh draws, as `networks.load` takes them; the
      bias is zero all the same.
    noise: images and perturbations in place of fresh draws.
  """
  del labels
  with torch.no_grad():
    if weights is None:
      for layer in layers(module):
        layer.weight.normal_()
    else:
      networks.load(module, weights)
    module.classifier.bias.zero_()
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
      norm.reset_parameters()  # of running statistics, too
    if noise is None:
      noise = torch.randn_like(images), torch.randn_like(images)
    first = module.features(noise[0])
    second = module.features(noise[0] + _STEP * noise[1])
    score = (first - second).abs().sum((1, 2, 3)).mean().log()
    for norm in norms:
      score = score + norm.running_var.mean().sqrt().log()
  return score.item()


PROXIES = {
    'epe_nas': epe_nas,
    'fisher': fisher,
    'flops': flops,
    'grad_norm': grad_norm,
    'grasp': grasp,
    'jacov': jacov,
    'l2_norm': l2_norm,
    'nwot': nwot,
    'params': params,
    'plain': plain,
    'snip': snip,
    'synflow': synflow,
    'zen': zen,
}
