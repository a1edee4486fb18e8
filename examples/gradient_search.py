"""Latency as a term of your own loss: jitted, with a gradient.

A supernet relaxes the choice of an operation to probabilities. The Bayesian
predictor is linear in its features, and FBNet's features add up over genes, so
the features of a relaxed genotype are the expectation of those of random
networks, exactly (`search.relax` refuses features for which this is not so).
The latency at the expected features then has an honest gradient: no sampling,
no straight-through estimate. At the corners, where probabilities are 0 and 1,
it is the prediction for that network.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import predictors
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer

SPACE = spaces.FBNET
BUDGET_MS = 5.0


def measure(genotype):
  """An imaginary device that is bound by memory: put your stopwatch here."""
  costs = SPACE.costs(np.asarray(genotype))
  return costs.activation_bytes / 4e6 + costs.kernels / 60


def main(num_steps: int = 300) -> dict[str, float]:
  """Searches by gradient and returns what was found."""
  support = np.asarray(transfer.choose_support(jax.random.key(0), SPACE, 12))
  adapted = transfer.adapt_bayesian(
      transfer.bayesian_model(SPACE), support[None], measure(support)[None]
  )
  posterior = jax.tree.map(lambda leaf: leaf[0], adapted.posterior)
  features = search.relax(SPACE, adapted.model.encode)
  flops = search.relax(
      SPACE, lambda genotype: SPACE.costs(genotype).flops[:, None] / 1e8
  )

  def loss(logits):  # [22, 9]
    probabilities = jax.nn.softmax(logits)[None]
    task_loss = -flops(probabilities)[0, 0]  # your supernet's loss goes here
    predicted = predictors.predict_bayesian(posterior, features(probabilities))
    # The upper end of the interval: be careful where little is known.
    excess = jax.nn.relu(predicted.upper_ms[0] / BUDGET_MS - 1.0)
    return task_loss + 20.0 * excess

  optimiser = optax.adam(0.1)

  @jax.jit
  def descend(logits):
    def step(carry, _):
      logits, state = carry
      value, gradient = jax.value_and_grad(loss)(logits)
      updates, state = optimiser.update(gradient, state)
      return (optax.apply_updates(logits, updates), state), value

    carry = logits, optimiser.init(logits)
    (logits, _), history = jax.lax.scan(step, carry, length=num_steps)
    return logits, history

  logits, history = descend(jnp.zeros((22, 9)))
  genotype = logits.argmax(axis=1)[None].astype(jnp.int32)
  holds = search.probability_within(adapted, BUDGET_MS)(genotype)
  found = {
      'loss_before': float(history[0]),
      'loss_after': float(history[-1]),
      'flops': float(SPACE.costs(np.asarray(genotype)).flops[0]),
      'predicted_ms': float(search.latency(adapted)(genotype)[0]),
      'probability': float(holds[0]),
      'measured_ms': float(measure(genotype)[0]),
  }
  print(SPACE.to_string(genotype)[0])
  for name, value in found.items():
    print(f'{name:>14}: {value:.4g}')
  return found


if __name__ == '__main__':
  main()
