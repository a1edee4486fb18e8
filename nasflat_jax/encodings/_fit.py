"""Minimises a loss over minibatches, in chunks of compiled steps."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

Loss = Callable[
    [chex.ArrayTree, chex.ArrayTree, jax.Array, chex.PRNGKey],
    tuple[jax.Array, chex.ArrayTree],
]
_CHUNK = 50


def epochs(
    rng: np.random.Generator, num_rows: int, num_steps: int, batch_size: int
) -> np.ndarray:
  """`[num_steps, batch_size]` rows, each once an epoch, in random order."""
  if batch_size > num_rows:
    raise ValueError(f'a batch of {batch_size} of {num_rows} rows')
  per_epoch = num_rows // batch_size
  orders = [
      rng.permutation(num_rows)[: per_epoch * batch_size]
      for _ in range(-(-num_steps // per_epoch))
  ]
  return np.concatenate(orders).reshape(-1, batch_size)[:num_steps]


def minimise(
    key: chex.PRNGKey,
    loss: Loss,
    variables: dict[str, Any],
    batches: np.ndarray,  # [S, ...]
    optimizer: optax.GradientTransformation,
    *,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], np.ndarray]:
  """Trains the parameters of flax variables.

  Args:
    key: of noise and dropout.
    loss: `(params, other variables, batch, key) -> (loss, other variables)`.
    variables: `params` and what else the module keeps, e.g. statistics.
    batches: the data of every step.
    optimizer: an optax optimiser.
    progress: called with the steps done and all of them.

  Returns:
    The trained variables and the `[S]` losses.

  Raises:
    ValueError: the loss is no longer finite.
  """
  params = variables['params']
  other = {name: v for name, v in variables.items() if name != 'params'}

  def step(carry, batch):
    params, other, state, key = carry
    key, step_key = jax.random.split(key)
    grad = jax.value_and_grad(loss, has_aux=True)
    (value, other), gradient = grad(params, other, batch, step_key)
    updates, state = optimizer.update(gradient, state, params)
    return (optax.apply_updates(params, updates), other, state, key), value

  # Bounds that are arguments: one compilation serves a shorter last chunk.
  @jax.jit
  def run(start, stop, carry, losses):
    def body(index, both):
      carry, value = step(both[0], jnp.asarray(batches)[index])
      return carry, both[1].at[index].set(value)

    return jax.lax.fori_loop(start, stop, body, (carry, losses))

  carry = (params, other, optimizer.init(params), key)
  losses = jnp.zeros(len(batches))
  for start in range(0, len(batches), _CHUNK):
    stop = min(start + _CHUNK, len(batches))
    carry, losses = run(start, stop, carry, losses)
    if not jnp.isfinite(losses[start:stop]).all():
      raise ValueError(f'training diverged by step {stop}')
    progress(stop, len(batches))
  return {'params': carry[0], **carry[1]}, np.asarray(losses)
