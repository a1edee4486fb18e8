"""A predictor that compiles in no time, and devices it can learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types

SPACE = spaces.NASBENCH201
NUM_SOURCES = 3
_WIDTH = 6


def predictor(*, dropout=0.1):
  """One hidden layer times the device's row of `device_embedding`."""

  def features(architectures):
    hot = jax.nn.one_hot(architectures.genotype, 5)
    return jnp.concatenate(
        [hot.reshape(hot.shape[0], -1), architectures.encoding], axis=1
    )

  def init(key, architectures, devices):
    del devices
    a, b = jax.random.split(key)
    width = features(architectures).shape[1]
    return {
        'hidden': 0.5 * jax.random.normal(a, (width, _WIDTH)),
        'device_embedding': jax.random.normal(b, (NUM_SOURCES + 1, _WIDTH)),
    }

  def apply(params, architectures, devices, *, key=None):
    hidden = jnp.tanh(features(architectures) @ params['hidden'])
    if key is not None:
      hidden *= jax.random.bernoulli(key, 1.0 - dropout, hidden.shape)
    return (hidden * params['device_embedding'][devices.index]).sum(-1)

  return types.Predictor(init, apply)


def devices(num_devices, num=60, seed=0):
  """`(genotype [N, G], latency_ms [D, N])`, a sum over operations each."""
  rng = np.random.default_rng(seed)
  ids = rng.choice(5**6, num, replace=False)
  genotype = spaces.genotype_of(SPACE, ids.tolist())
  hot = (genotype[:, :, None] == np.arange(5)).reshape(num, -1)
  return genotype, rng.uniform(0.1, 3.0, (num_devices, 30)) @ hot.T + 20.0


def batch(genotype, label, index=0, *, encoding='costs'):
  """Rows of one device as a `Batch`."""
  size = len(genotype)
  return types.Batch(
      architectures=transfer.decoder(SPACE, encoding)(genotype),
      devices=types.Devices(
          index=jnp.full(size, index, jnp.int32),
          reference=jnp.zeros((size, 0)),
      ),
      label=jnp.asarray(label, jnp.float32),
      where=jnp.ones(size, bool),
  )


_PREDICTOR = predictor()
_QUIET = predictor(dropout=0.0)


def pretrained(*, dropout=True, **changes):
  """A `Pretrained` of random parameters; equal calls share compilations."""
  network = _PREDICTOR if dropout else _QUIET
  genotype, latency_ms = devices(1, num=4)
  params = network.init(
      jax.random.key(7), batch(genotype, latency_ms[0]).architectures, None
  )
  whole = transfer.Pretrained(
      SPACE, network, params, NUM_SOURCES, adapt_steps=8, learning_rate=0.02
  )
  return dataclasses.replace(whole, **changes)


def checkpoint(pre):
  """The three parts of a checkpoint that holds a `Pretrained`."""
  provenance = {
      'space': pre.space.spec.name,
      'devices': [f'source_{i}' for i in range(pre.num_sources)],
      'transfer': {
          'encoding': pre.encoding,
          'adapt_steps': pre.adapt_steps,
          'learning_rate': pre.learning_rate,
          'parts': list(pre.parts),
          'head_sources': list(pre.head_sources),
      },
  }
  return pre.predictor, pre.params, provenance
