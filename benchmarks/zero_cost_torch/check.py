"""Checks the PyTorch proxies against each other and against other formulas.

    python benchmarks/zero_cost_torch/check.py

In float64, on small random networks. Prints the worst relative error of each
check and fails if one exceeds its tolerance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
import functools
import math
import sys

import loop
import networks
import numpy as np
import proxies
import torch
from torch import nn
import torch.nn.functional as F

_BATCH, _CLASSES, _CHANNELS, _CELLS = 8, 4, 4, 2
# Of the finite difference: short, for the gradient jumps where a ReLU flips.
_STEP = 1e-9
_SMALL_EPSILON = 1e-12
_TOLERANCES = {
    'synflow: forward mode': 1e-10,
    'synflow: finite difference': 1e-5,
    'fisher: gates': 1e-9,
    'nwot: Hamming distances': 1e-12,
    'zen: batch variances': 1e-9,
    'plain: layers without normalisation': 1e-9,
    'grasp: scale identity': 1e-7,
    'grasp: finite difference': 1e-4,
    'params: formula': 1e-12,
    'flops: formula': 1e-12,
} | {f'shared: {name}': 1e-7 for name in proxies.PROXIES}

Errors = dict[str, list[float]]


def nasbench201_weights(
    rng: np.random.Generator, channels: int, num_cells: int, num_classes: int
) -> dict[str, np.ndarray]:
  """Random weights of all candidates, as `networks.load` takes them."""
  shapes: dict[str, tuple[int, ...]] = {'stem/kernel': (3, 3, 3, channels)}
  for stage in range(3):
    width = channels * 2**stage
    for edge in range(6):
      for size in (1, 3):
        name = f'stage_{stage}/edge_{edge}/conv_{size}x{size}/kernel'
        shapes[name] = num_cells, size, size, width, width
    if stage:
      name, half = f'reduction_{stage}', width // 2
      shapes[f'{name}/conv_a/kernel'] = 3, 3, half, width
      shapes[f'{name}/conv_b/kernel'] = 3, 3, width, width
      shapes[f'{name}/shortcut/kernel'] = 1, 1, half, width
  shapes['head/kernel'] = width, num_classes
  shapes['head/bias'] = (num_classes,)
  return {
      name: rng.standard_normal(shape) / math.sqrt(math.prod(shape[-4:-1]))
      for name, shape in shapes.items()
  }


def _weights_of(module: networks.Network) -> dict[str, np.ndarray]:
  """A network's own weights, as `networks.load` takes them; no cells."""
  weights = {'head/bias': module.classifier.bias.detach().numpy()}
  for layer in proxies.layers(module):
    kernel = layer.weight.detach().numpy()
    axes = (1, 0) if kernel.ndim == 2 else (2, 3, 1, 0)
    weights[layer.source[0]] = kernel.transpose(axes)
  return weights


def _cases(
    rng: np.random.Generator,
) -> Iterator[tuple[loop.Build, list[int], loop.Inputs]]:
  """Five NAS-Bench-201 and three FBNet networks with their inputs."""

  def inputs(build, genotype, draw):
    image = rng.standard_normal((_BATCH, 3, 32, 32))
    return loop.Inputs(
        torch.from_numpy(image),
        torch.arange(_BATCH) % _CLASSES,
        draw(build, genotype),
        draw(build, genotype),
        (torch.randn(image.shape).double(), torch.randn(image.shape).double()),
    )

  build = functools.partial(
      networks.nasbench201,
      channels=_CHANNELS,
      num_cells=_CELLS,
      num_classes=_CLASSES,
  )
  for genotype in (
      [3, 3, 3, 3, 3, 3], [4, 0, 3, 1, 4, 2], [2, 3, 1, 0, 4, 3],
      [1, 0, 0, 3, 2, 4], [3, 4, 2, 1, 0, 3],
  ):  # fmt: skip
    yield build, genotype, inputs(
        build,
        genotype,
        lambda *_: nasbench201_weights(rng, _CHANNELS, _CELLS, _CLASSES),
    )
  build = functools.partial(networks.fbnet, num_classes=_CLASSES)
  for _ in range(3):
    genotype = rng.integers(9, size=22).tolist()
    yield build, genotype, inputs(
        build, genotype, lambda b, g: _weights_of(b(g).double())
    )


def _relative(got: float, want: float) -> float:
  return abs(got - want) / max(abs(want), 1e-12)


def _gradients(module, weights, inputs, create_graph=False):
  loss = F.cross_entropy(module(inputs.images), inputs.labels)
  return torch.autograd.grad(loss, weights, create_graph=create_graph)


def _check_synflow(module, inputs, scores, errors: Errors) -> None:
  for norm in module.modules():
    if isinstance(norm, networks.BatchNorm):
      norm.bypass = True
  absolute = {k: p.detach().abs() for k, p in module.named_parameters()}
  names = [f'{name}.weight' for name in proxies.layer_names(module)]
  ones = torch.ones_like(inputs.images[:1])

  def total(scaled):
    call = torch.func.functional_call
    return call(module, absolute | scaled, (ones,)).sum()

  scaled = {name: absolute[name] for name in names}
  _, tangent = torch.func.jvp(total, (scaled,), (scaled,))
  want = tangent.log().item()
  errors['synflow: forward mode'].append(_relative(scores['synflow'], want))
  step = 1e-5
  up, down = (
      total({k: w * math.exp(t) for k, w in scaled.items()}).item()
      for t in (step, -step)
  )
  want = math.log((up - down) / (2 * step))
  errors['synflow: finite difference'].append(
      _relative(scores['synflow'], want)
  )


def _check_activations(module, inputs, scores, errors: Errors) -> None:
  """Fisher from gates on the outputs, nwot from Hamming distances."""
  gates: list[tuple[nn.Module, torch.Tensor]] = []
  codes: list[np.ndarray] = []

  def gate(layer, _, output):
    shape = output.shape[:2] + (1,) * (output.ndim - 2)
    ones = torch.ones(shape, dtype=output.dtype, requires_grad=True)
    gates.append((layer, ones))
    return output * ones

  def code(_, args, __):
    codes.append(args[0].detach().numpy().reshape(_BATCH, -1) > 0)

  hooks = [x.register_forward_hook(gate) for x in proxies.layers(module)]
  hooks += [
      m.register_forward_hook(code)
      for m in module.modules()
      if isinstance(m, nn.ReLU)
  ]
  loss = F.cross_entropy(module(inputs.images), inputs.labels)
  proxies.remove(hooks)
  saliencies = torch.autograd.grad(loss, [ones for _, ones in gates])
  want = sum(
      layer.weight[0].numel() * (s**2).mean(0).sum().item() / 2
      for (layer, _), s in zip(gates, saliencies)
  )
  errors['fisher: gates'].append(_relative(scores['fisher'], want))
  joined = np.concatenate(codes, axis=1)
  same = (joined[:, None] == joined[None]).sum(-1).astype(float)
  _, want = np.linalg.slogdet(same)
  errors['nwot: Hamming distances'].append(_relative(scores['nwot'], want))


def _check_hessian(module, inputs, _, errors: Errors) -> None:
  """Plain and grasp from scale invariance; grasp from differences.

  With an epsilon of normalisation of nearly zero, without which scaling a
  layer's weights changes the loss.
  """
  for norm in module.modules():
    if isinstance(norm, networks.BatchNorm):
      norm.eps = _SMALL_EPSILON
  scores = {
      name: proxies.PROXIES[name](module, inputs.images, inputs.labels)
      for name in ('grasp', 'plain', 'snip')
  }
  layers = proxies.layers(module)
  weights = [x.weight for x in layers]
  free = [
      '/shortcut/' in x.source[0] or isinstance(x, nn.Linear) for x in layers
  ]
  gradients = _gradients(module, weights, inputs, create_graph=True)
  constant = [g.detach() for g in gradients]
  want = sum(
      (w * g).sum().item() for w, g, f in zip(weights, constant, free) if f
  )
  errors['plain: layers without normalisation'].append(
      abs(scores['plain'] - want) / scores['snip']
  )
  product = sum(
      (w.detach() * g).sum() for w, g, f in zip(weights, gradients, free) if f
  )
  curvature = torch.autograd.grad(product, weights)
  cross = sum((a * b).sum().item() for a, b in zip(constant, curvature))
  squares = sum(
      (g**2).sum().item() for g, f in zip(constant, free) if not f
  )
  scale = max(abs(squares), abs(cross))
  errors['grasp: scale identity'].append(
      abs(scores['grasp'] - squares + cross) / scale
  )
  step = _STEP / math.sqrt(sum((g**2).sum().item() for g in constant))
  ends = []
  for signed in (step, -2 * step):
    with torch.no_grad():
      for w, g in zip(weights, constant):
        w += signed * g
    ends.append(_gradients(module, weights, inputs))
  want = -sum(
      (w * (a - b)).sum().item() / (2 * step) for w, a, b in zip(weights, *ends)
  )
  errors['grasp: finite difference'].append(
      abs(scores['grasp'] - want) / scale
  )


def _check_zen(module, inputs, scores, errors: Errors) -> None:
  networks.load(module, inputs.zen_weights)
  norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
  variances: dict[nn.Module, list[torch.Tensor]] = defaultdict(list)
  hooks = [
      m.register_forward_hook(
          lambda m, args, _: variances[m].append(
              args[0].var((0, 2, 3), unbiased=True)
          )
      )
      for m in norms
  ]
  with torch.no_grad():
    first = module.features(inputs.noise[0])
    second = module.features(inputs.noise[0] + 0.01 * inputs.noise[1])
  proxies.remove(hooks)
  want = math.log((first - second).abs().sum().item() / _BATCH)
  for a, b in variances.values():
    want += math.log((0.81 + 0.09 * a + 0.1 * b).mean().item()) / 2
  errors['zen: batch variances'].append(_relative(scores['zen'], want))


def _check_costs(errors: Errors) -> None:
  """Published NAS-Bench-201 counts, exactly affine in the operations'."""
  image = torch.zeros((1, 3, 32, 32))
  label = torch.zeros(1, dtype=torch.int64)
  for genotype in ([3] * 6, [4, 0, 3, 1, 4, 2], [0] * 6, [2, 2, 4, 4, 1, 3]):
    module = networks.nasbench201(genotype)
    n1, n3, pools = (genotype.count(op) for op in (2, 3, 4))
    params = 0.073306 + 0.24304 * n3 + 0.0280 * n1
    flops = 7.943872 + 35.81952 * n3 + 4.36224 * n1 + 1.29024 * pools
    errors['params: formula'].append(
        _relative(proxies.params(module, image, label), params)
    )
    errors['flops: formula'].append(
        _relative(proxies.flops(module, image, label), flops)
    )


def main() -> None:
  """Runs all checks and prints their worst errors."""
  torch.manual_seed(0)
  torch.set_num_threads(1)
  errors: Errors = defaultdict(list)
  for build, genotype, inputs in _cases(np.random.default_rng(0)):
    (own,) = loop.reference_loop([genotype], build, inputs)
    (shared,) = loop.shared_loop([genotype], build, inputs)
    scores = own['scores']
    for name, value in shared['scores'].items():
      errors[f'shared: {name}'].append(_relative(value, scores[name]))
    for check in (
        _check_activations, _check_hessian, _check_synflow, _check_zen
    ):  # fmt: skip
      module = build(genotype).double()
      networks.load(module, inputs.weights or {}, genotype)
      check(module, inputs, scores, errors)
  _check_costs(errors)
  failed = False
  for name, tolerance in sorted(_TOLERANCES.items()):
    worst = float(np.max(errors[name]))
    bad = not worst <= tolerance
    failed |= bad
    print(
        f'{name:40} {worst:.1e} (of {tolerance:.0e}, {len(errors[name])})'
        + ' FAILED' * bad
    )
  sys.exit(int(failed))


if __name__ == '__main__':
  main()
