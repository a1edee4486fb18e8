"""Scores a flax module that belongs to no search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any, cast

import chex
from flax import linen as nn
from flax import traverse_util
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _batch
from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _passes
from nasflat_jax.zero_cost import _proxies
from nasflat_jax.zero_cost import _sums
from nasflat_jax.zero_cost import _watch

_PLAIN_RUN = _mode.Mode()


def score_module(
    fns: Sequence[_proxies.Proxy],
    module: nn.Module,
    key: chex.PRNGKey,
    batch: _batch.Batch,
    *,
    genotype: chex.Array | None = None,
    variables: Mapping[str, Any] | None = None,
    features: str | None = None,
    **call: Any,
) -> np.ndarray:  # [P]
  """Scores one flax module by zero-cost proxies.

  Layers are the module's `nn.Conv` (2-D) and `nn.Dense`, wherever they stand;
  every `nn.BatchNorm` uses the batch's statistics, and synflow drops it.
  Everything is in float32, also under `jax_enable_x64`.

  Args:
    fns: proxies, of `zero_cost`.
    module: `images [N, H, W, 3] -> logits [N, K]`.
    key: of weights and zen's noise.
    batch: images and labels.
    genotype: if given, the module's second argument.
    variables: of `module.init`; None draws them with the module's own
      initialisers.
    features: path of the submodule whose output zen compares, such as
      `block_3`; None takes the input of the last mean (or average pool) over
      all positions.
    **call: of the module's call, e.g. `train=True`.

  Returns:
    `[P]` float64; NaN where a proxy is not defined. `flops` counts layers,
    normalisations, `jax.nn.relu`, average pools and means over positions.

  Raises:
    ValueError: the batch does not fit; the module has no layer, or calls one
      twice; nwot and no
      `jax.nn.relu`; zen and neither such a mean nor `features`; synflow and
      activations beyond float32.

  Example:
    >>> from flax import linen as nn
    >>> from nasflat_jax import zero_cost
    >>> batch = zero_cost.gaussian_batch(jax.random.key(0), 4, 3, resolution=8)
    >>> zero_cost.score_module(
    ...     [zero_cost.params],
    ...     nn.Sequential([nn.Conv(2, (3, 3)), lambda x: x.mean((1, 2)),
    ...                    nn.Dense(3)]),
    ...     jax.random.key(1), batch).round(7)
    array([6.5e-05])
  """
  if not fns:
    raise ValueError('fns: no proxy to compute')
  with jax.enable_x64(False):  # draws and zeros are float32 whatever JAX's are
    return _score(
        fns, module, key, batch, genotype, variables, features, call
    )


def _score(fns, module, key, batch, genotype, variables, features, call):
  init_key, zen_key, noise_key = jax.random.split(key, 3)
  images = jnp.asarray(batch.images, jnp.float32)
  labels = np.asarray(batch.labels)
  if images.ndim != 4 or len(images) < 2 or labels.shape != images.shape[:1]:
    raise ValueError(
        f'batch: images have shape {images.shape} and labels {labels.shape}, '
        'want [N, H, W, 3] with N of 2 or more and [N]'
    )
  more = () if genotype is None else (jnp.asarray(genotype),)
  if variables is None:
    init = jax.jit(lambda *args: module.init(*args, **call))
    variables = init(init_key, images[:2], *more)
  network = _trace(module, variables, images, more, features, call)
  if not 0 <= labels.min() <= labels.max() < network.num_classes:
    raise ValueError(
        f'batch: labels must be from 0 to {network.num_classes - 1}'
    )
  rng = np.random.default_rng(np.asarray(jax.random.key_data(zen_key)))
  zen_params = _network.Params(
      {
          name: jnp.asarray(rng.normal(size=layer.shape), jnp.float32)
          for name, layer in network.layers.items()
      },
      {name: jnp.zeros_like(x) for name, x in network.params.bias.items()},
  )
  inputs = _passes.Inputs(
      network.params,
      _passes.absolute(network.params),
      zen_params,
      images,
      jnp.asarray(labels, jnp.int32),
      jax.random.normal(noise_key, (2, *images.shape)),
  )
  needs = frozenset(need for fn in fns for need in fn.needs)
  # It has all that the passes use of a network.
  run = _passes.quantities(cast(_network.Network, network), needs)
  found = jax.device_get(jax.jit(run)(more[0] if more else None, inputs))
  if found.get('synflow', 0.0) == math.inf:
    raise ValueError('synflow: the activations overflow float32')
  stacked = {name: np.asarray(x)[None] for name, x in found.items()}
  return np.array([fn.reduce(stacked, labels)[0] for fn in fns], np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class _ModuleNetwork:
  """A module with what the passes use of a `Network`."""

  module: nn.Module
  rest: Mapping[str, Any]  # all variables, by path
  layers: Mapping[str, _net.Layer]
  params: _network.Params
  num_params: int
  input_shape: tuple[int, ...]
  num_classes: int
  features: str | None
  call: Mapping[str, Any]

  def run(
      self,
      params: _network.Params,
      genotype: chex.Array | None,
      images: chex.Array,
      *,
      probe: chex.Array | None = None,
      epsilon: chex.Array | float = 0.0,
      mode: _mode.Mode = _PLAIN_RUN,
  ) -> tuple[jax.Array, jax.Array | None, _mode.Extra]:
    """As `Network.run`; normalisations keep epsilons of their own."""
    del epsilon  # no layer is declared normalised: only a direction of zero
    arguments = () if genotype is None else (genotype,)
    run = _Run(self, params, mode, probe)
    logits = run(images, *arguments)
    extra: _mode.Extra = {}
    if mode.rescale:
      extra['log_scale'] = jnp.zeros(())
    if mode.norms:
      extra['norms'] = sum(
          (jnp.sqrt((x * x).sum()) for x in params.kernel.values()),
          jnp.zeros(()),
      )
    if not (mode.gram or mode.counts or mode.variance):
      return logits, None, extra
    # Once more, watched; the compiler merges what is the same.
    still = _network.Params(*lax.stop_gradient(tuple(params)))
    run = _Run(self, still, mode, None)

    def watched(images):
      run(images, *arguments)
      return run.features, run.log_variance

    (features, log_variance), seen = _watch.watch(
        watched, lax.stop_gradient(images), gram=mode.gram
    )
    if mode.gram:
      if seen.gram is None:
        raise ValueError('nwot: the module calls no jax.nn.relu')
      extra['gram'] = seen.gram
    if mode.counts:
      extra['params'] = jnp.float32(self.num_params * 1e-6)
      extra['flops'] = jnp.float32((run.flops + seen.flops) * 1e-6)
    if mode.variance:
      extra['log_variance'] = log_variance
      features = seen.features if self.features is None else features
      if features is None:
        raise ValueError(
            'zen: no mean over positions, whose input would be the features; '
            'name the submodule that gives them by features='
            if self.features is None
            else f'zen: no submodule {self.features!r} was called'
        )
    return logits, features, extra


class _Run:
  """One call of the module with its layers under control."""

  def __init__(
      self,
      network: _ModuleNetwork,
      params: _network.Params,
      mode: _mode.Mode,
      probe: chex.Array | None,
  ) -> None:
    self._network, self._mode, self._probe = network, mode, probe
    self._values = dict(network.rest)
    for kind in ('kernel', 'bias'):
      for name, value in getattr(params, kind).items():
        self._values[_key(name, kind)] = value

  def __call__(self, *args: chex.Array) -> jax.Array:
    self.flops = 0
    self.features: jax.Array | None = None
    self.log_variance = jnp.zeros(())
    with nn.intercept_methods(self._intercept):
      variables = traverse_util.unflatten_dict(self._values, sep='/')
      call = self._network.call
      return cast(
          jax.Array, self._network.module.apply(variables, *args, **call)
      )

  def _intercept(self, function, args, kwargs, context) -> jax.Array:
    module, name = context.module, '/'.join(context.module.path)
    if context.method_name != '__call__':
      return function(*args, **kwargs)
    if isinstance(module, nn.BatchNorm):
      y = self._normalise(module, name, args[0])
    else:
      layer = self._network.layers.get(name)
      if layer is None or not _is_layer(module):
        y = function(*args, **kwargs)
      else:
        y = self._layer(module, name, args[0])
        self.flops += math.prod(layer.shape) * math.prod(y.shape[1:-1])
    if name == self._network.features:
      self.features = y
    return y

  def _layer(
      self, module: nn.Conv | nn.Dense, name: str, x: chex.Array
  ) -> jax.Array:
    kernel, bias = (
        self._values.get(_key(name, kind)) for kind in ('kernel', 'bias')
    )
    own = {} if bias is None else {'bias': bias}
    alone = module.clone(parent=None)

    def apply(x, kernel):
      return alone.apply({'params': {'kernel': kernel, **own}}, x)

    if self._probe is None:
      return apply(x, kernel)
    return _sums.probed(apply, x, kernel, self._probe)

  def _normalise(
      self, module: nn.BatchNorm, name: str, x: chex.Array
  ) -> jax.Array:
    self.flops += 2 * math.prod(x.shape[1:])
    if not self._mode.batch_norm:
      return x
    y, _, extra = _normalisation.normalise(
        x.reshape(len(x), -1, 1, x.shape[-1]),
        jnp.float32(math.sqrt(module.epsilon)),
        self._mode,
    )
    y = y.reshape(x.shape)
    if self._mode.variance:  # of zen, whose networks are all fresh
      self.log_variance += extra['log_variance']
      return y
    y *= self._values.get(_key(name, 'scale'), 1.0)
    return y + self._values.get(_key(name, 'bias'), 0.0)


def _key(name: str, kind: str) -> str:
  """Where a module's parameter stands; the root has no name."""
  return '/'.join(part for part in ('params', name, kind) if part)


def _is_layer(module: nn.Module) -> bool:
  return isinstance(module, nn.Conv | nn.Dense)


def _trace(
    module: nn.Module,
    variables: Mapping[str, Any],
    images: chex.Array,
    more: tuple[chex.Array, ...],
    features: str | None,
    call: Mapping[str, Any],
) -> _ModuleNetwork:
  """Finds the layers that a call reaches."""
  values = traverse_util.flatten_dict(dict(variables), sep='/')
  layers: dict[str, _net.Layer] = {}

  def find(function, args, kwargs, context):
    name = '/'.join(context.module.path)
    if context.method_name == '__call__' and _is_layer(context.module):
      kernel = values[_key(name, 'kernel')]
      if kernel.ndim not in (2, 4):
        raise ValueError(f'{name}: kernels must have 2 or 4 axes')
      bias = _key(name, 'bias') in values
      if name in layers:
        raise ValueError(f'{name}: called twice; a layer must be called once')
      layers[name] = _net.Layer(kernel.shape, bias=bias)
    return function(*args, **kwargs)

  with nn.intercept_methods(find):
    out, _ = jax.eval_shape(
        _applied(module, variables, call), images, *more
    )
  if not layers:
    raise ValueError('the module has neither an nn.Conv nor an nn.Dense')
  if out.ndim != 2:
    raise ValueError(f'the module gives shape {out.shape}, want [N, K]')
  kernels = {name: values[_key(name, 'kernel')] for name in layers}
  biases = {
      name: values[_key(name, 'bias')]
      for name, layer in layers.items()
      if layer.bias
  }
  sizes = (x.size for k, x in values.items() if k.startswith('params/'))
  return _ModuleNetwork(
      module,
      values,
      layers,
      _network.Params(kernels, biases),
      sum(sizes),
      images.shape[1:],
      out.shape[1],
      features,
      call,
  )


def _applied(module, variables, call) -> Callable[..., Any]:
  def run(*args):
    return module.apply(variables, *args, mutable=['batch_stats'], **call)

  return run
