"""Gradient-based meta-learning: MAML, FOMAML, Meta-SGD and Reptile.

One initialisation for all devices, from which a few gradient steps on the
support lead to a predictor of the target. The outer step follows the loss of
the adapted network on the query of each device.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from nasflat_jax import losses
from nasflat_jax import types

LossFn = Callable[..., jax.Array]


class MetaParams(NamedTuple):
  """What the inner loop starts from.

  Attributes:
    params: the initial parameters of the predictor.
    rates: step size of every element of `params`, the same structure; None
      where the step size is fixed.
  """

  params: chex.ArrayTree
  rates: chex.ArrayTree | None


def batch_loss(
    predictor: types.Predictor,
    loss_fn: LossFn,
    params: Any,
    batch: types.Batch,
) -> jax.Array:
  """`[]` `loss_fn(scores, label, where=...)` of a batch."""
  scores = predictor.apply(params, batch.architectures, batch.devices)
  return loss_fn(scores, batch.label, where=batch.where)


def descend(
    predictor: types.Predictor,
    params: Any,
    support: types.Batch,
    *,
    rates: Any,
    num_steps: int,
    order: int = 2,
    loss_fn: LossFn = losses.mean_squared_error,
) -> chex.ArrayTree:
  """Full-batch gradient steps on the support: the inner loop.

  Args:
    predictor: the pair.
    params: where to start.
    support: rows of one device.
    rates: step sizes, a float or a tree like `params`.
    num_steps: steps.
    order: 2 differentiates through the gradients, 1 takes them as constants
      (with `rates` still differentiable).
    loss_fn: `(scores, label, *, where) -> []`.

  Returns:
    The adapted parameters.
  """
  if isinstance(rates, (int, float)):
    rates = jax.tree.map(lambda _: rates, params)

  def update(params, _):
    grads = jax.grad(
        lambda p: batch_loss(predictor, loss_fn, p, support)
    )(params)
    if order == 1:
      grads = jax.lax.stop_gradient(grads)
    moved = jax.tree.map(lambda w, r, g: w - r * g, params, rates, grads)
    return moved, None

  params, _ = jax.lax.scan(
      update, params, length=num_steps, unroll=num_steps <= 4
  )
  return params


def outer_step(
    optimizer: optax.GradientTransformation,
    task_loss: Callable[[Any, chex.PRNGKey, types.Episode], jax.Array],
) -> Callable[..., tuple[types.TransferState, types.TransferInfo]]:
  """`TransferAlgorithm.step` on the mean loss of an episode's devices.

  Args:
    optimizer: of the outer loop.
    task_loss: `(meta_params, key, episode) -> []` of one device.

  Returns:
    `(key, state, episodes [T, ...]) -> (state, info)`.
  """

  def objective(meta_params, key, episodes: types.Episode) -> jax.Array:
    keys = jax.random.split(key, episodes.query.label.shape[0])
    per_task = jax.vmap(task_loss, (None, 0, 0))(meta_params, keys, episodes)
    return jnp.mean(per_task)

  def step(key, state: types.TransferState, source: types.Episode):
    loss, grads = jax.value_and_grad(objective)(
        state.meta_params, key, source
    )
    return apply_gradient(optimizer, state, loss, grads)

  return step


def apply_gradient(
    optimizer: optax.GradientTransformation,
    state: types.TransferState,
    loss: jax.Array,
    grads: Any,
) -> tuple[types.TransferState, types.TransferInfo]:
  """One update of `state.meta_params` by a gradient."""
  updates, opt_state = optimizer.update(
      grads, state.opt_state, state.meta_params
  )
  meta_params = optax.apply_updates(state.meta_params, updates)
  info = types.TransferInfo(loss, optax.global_norm(grads))
  return types.TransferState(meta_params, opt_state, state.step + 1), info


def first_inputs(
    source: types.Episode,
) -> tuple[types.Architectures, types.Devices]:
  """Support of the first device, for `Predictor.init`."""
  first = jax.tree.map(lambda x: x[0], source.support)
  return first.architectures, first.devices


def maml(
    predictor: types.Predictor,
    *,
    optimizer: optax.GradientTransformation,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-3,
    order: int = 2,
    learned_rates: bool = False,
    loss_fn: LossFn = losses.mean_squared_error,
) -> types.TransferAlgorithm:
  """MAML and its close kin as one `TransferAlgorithm`.

  MAML is Finn et al., ICML 2017, https://arxiv.org/abs/1703.03400, equation 1
  and algorithm 1; `order=1` is its first-order variant (FOMAML, section 5.2),
  `learned_rates=True` is Meta-SGD, Li et al. 2017,
  https://arxiv.org/abs/1707.09835, equation 4.

  Args:
    predictor: the pair.
    optimizer: of the outer loop.
    inner_steps: gradient steps on the support, in `step` and in `adapt`.
    inner_learning_rate: their size; where sizes are learned, where they start.
    order: 2, or 1 to leave second derivatives out.
    learned_rates: learn one step size for each parameter element.
    loss_fn: `(scores, label, *, where) -> []` of both loops.

  Returns:
    `TransferAlgorithm` on stacked `Episode`s; `meta_params` is `MetaParams`.

  Raises:
    ValueError: `order` is neither 1 nor 2, or there is no inner step.
  """
  if order not in (1, 2):
    raise ValueError(f'order must be 1 or 2, got {order}')
  _check_steps(inner_steps)

  def inner(meta: MetaParams, support: types.Batch) -> chex.ArrayTree:
    fixed = inner_learning_rate if meta.rates is None else meta.rates
    return descend(
        predictor,
        meta.params,
        support,
        rates=fixed,
        num_steps=inner_steps,
        order=order,
        loss_fn=loss_fn,
    )

  def init(key, source: types.Episode) -> types.TransferState:
    params = predictor.init(key, *first_inputs(source))
    rates = None
    if learned_rates:
      rates = jax.tree.map(
          lambda x: jnp.full_like(x, inner_learning_rate), params
      )
    meta = MetaParams(params, rates)
    return types.TransferState(
        meta, optimizer.init(meta), jnp.zeros((), jnp.int32)
    )

  def task_loss(meta: MetaParams, key, episode: types.Episode) -> jax.Array:
    del key
    adapted = inner(meta, episode.support)
    return batch_loss(predictor, loss_fn, adapted, episode.query)

  def adapt(key, meta_params: Any, support: types.Batch) -> chex.ArrayTree:
    del key
    return inner(meta_params, support)

  return types.TransferAlgorithm(init, outer_step(optimizer, task_loss), adapt)


def reptile(
    predictor: types.Predictor,
    *,
    optimizer: optax.GradientTransformation,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-3,
    loss_fn: LossFn = losses.mean_squared_error,
) -> types.TransferAlgorithm:
  """Reptile, Nichol et al. 2018, https://arxiv.org/abs/1803.02999.

  The outer gradient is `params - mean of the adapted params` (batched version,
  section 3): `optax.sgd(epsilon)` is the paper's update, its section 5 also
  feeds the difference to Adam. Support and query are not told apart.

  Note:
    Every inner step sees all rows of its device; the paper draws a minibatch
    for each. With 210 rows there is no need to.

  Args:
    predictor: the pair.
    optimizer: of the outer loop.
    inner_steps: gradient steps on a device's rows, and on the support.
    inner_learning_rate: their size.
    loss_fn: `(scores, label, *, where) -> []`.

  Returns:
    `TransferAlgorithm` on stacked `Episode`s; `meta_params` is `MetaParams`.

  Raises:
    ValueError: there is no inner step.
  """
  _check_steps(inner_steps)

  def inner(params: Any, rows: types.Batch) -> chex.ArrayTree:
    return descend(
        predictor,
        params,
        rows,
        rates=inner_learning_rate,
        num_steps=inner_steps,
        loss_fn=loss_fn,
    )

  def init(key, source: types.Episode) -> types.TransferState:
    meta = MetaParams(predictor.init(key, *first_inputs(source)), None)
    return types.TransferState(
        meta, optimizer.init(meta), jnp.zeros((), jnp.int32)
    )

  def step(key, state: types.TransferState, source: types.Episode):
    del key
    rows = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b], axis=1),
        source.support,
        source.query,
    )
    params = state.meta_params.params

    def one(rows: types.Batch) -> tuple[jax.Array, chex.ArrayTree]:
      adapted = inner(params, rows)
      return batch_loss(predictor, loss_fn, adapted, rows), adapted

    loss, adapted = jax.vmap(one)(rows)
    difference = jax.tree.map(lambda w, a: w - a.mean(axis=0), params, adapted)
    return apply_gradient(
        optimizer, state, jnp.mean(loss), MetaParams(difference, None)
    )

  def adapt(key, meta_params: Any, support: types.Batch) -> chex.ArrayTree:
    del key
    return inner(meta_params.params, support)

  return types.TransferAlgorithm(init, step, adapt)


def _check_steps(inner_steps: int) -> None:
  if inner_steps < 1:
    raise ValueError(f'inner_steps must be 1 or more, got {inner_steps}')
