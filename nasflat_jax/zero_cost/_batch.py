"""The images that proxies are computed on."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _images

# Of CIFAR's training crop, pixels on each side.
_PADDING = 4


class Batch(NamedTuple):
  """Images and labels.

  Attributes:
    images: `[N, H, W, 3]` float32, normalised.
    labels: `[N]` int32.
    source: what they are, e.g. `gaussian`; travels with the scores.
  """

  images: chex.Array
  labels: chex.Array
  source: str


def gaussian_batch(
    key: chex.PRNGKey,
    num_images: int,
    num_classes: int,
    *,
    resolution: int = 32,
) -> Batch:
  """Standard normal images, and labels that go round the classes.

  Args:
    key: of the images.
    num_images: N.
    num_classes: K; `N / K` images of each, up to one.
    resolution: height and width.

  Returns:
    The batch.
  """
  shape = (num_images, resolution, resolution, 3)
  return Batch(
      jax.random.normal(key, shape, jnp.float32),
      jnp.arange(num_images, dtype=jnp.int32) % num_classes,
      'gaussian',
  )


def images_batch(
    key: chex.PRNGKey,
    images: chex.Array,  # [M, H, W, 3]
    labels: chex.Array,  # [M]
    num_images: int,
    num_classes: int,
    *,
    balanced: bool = False,
    augment: bool = True,
    mean: chex.Array | None = None,  # [3]
    std: chex.Array | None = None,  # [3]
    source: str = 'images',
) -> Batch:
  """Draws images, different ones, as the first batch of a training run.

  CIFAR's training augmentation, as the reference's loader has it: a crop at a
  random place of the image in a border of 4 black pixels, half of them
  mirrored; then, by channel, minus the mean and over the standard deviation.

  Args:
    key: of the draw and the augmentation.
    images: `[M, H, W, 3]`, uint8 to be divided by 255, or floats.
    labels: `[M]` integers.
    num_images: N.
    num_classes: K.
    balanced: whether labels go round the classes, `N / K` images of each, up
      to one; epe_nas wants several of each.
    augment: whether to crop and mirror.
    mean: `[3]` in units of an image whose white is 1; None is that of `images`.
    std: `[3]` likewise.
    source: what the images are.

  Returns:
    The batch.

  Raises:
    ValueError: shapes or labels do not fit, or there are too few images, of a
      class if balanced.
  """
  images, labels, _, _ = _images.check(
      np.asarray(images), np.asarray(labels), num_classes, source
  )
  if num_images < 1:
    raise ValueError(f'num_images must be at least 1, got {num_images}')
  draw_key, crop_key, flip_key = jax.random.split(key, 3)
  chosen = _draw(draw_key, labels, num_images, num_classes, balanced)
  if mean is None or std is None:
    own_mean, own_std = _moments(images)
    mean = own_mean if mean is None else np.asarray(mean, np.float64)
    std = own_std if std is None else np.asarray(std, np.float64)
  pictures = images[chosen].astype(np.float64)
  if images.dtype == np.uint8:
    pictures /= 255
  if augment:
    pictures = _augment(crop_key, flip_key, pictures)
  # A channel of one value, as of a grey test picture, is only centred.
  pictures = (pictures - mean) / np.where(std > 0, std, 1.0)
  return Batch(
      jnp.asarray(pictures, jnp.float32), jnp.asarray(labels[chosen]), source
  )


def _draw(
    key: chex.PRNGKey,
    labels: np.ndarray,  # [M]
    num_images: int,
    num_classes: int,
    balanced: bool,
) -> np.ndarray:  # [N]
  """Places of different images."""
  order = np.asarray(jax.random.permutation(key, len(labels)))
  if not balanced:
    if num_images > len(labels):
      raise ValueError(f'{num_images} images wanted of {len(labels)}')
    return order[:num_images]
  wanted = np.arange(num_images) % num_classes
  chosen = np.empty(num_images, int)
  for label in range(min(num_classes, num_images)):
    places = order[labels[order] == label]
    slots = np.flatnonzero(wanted == label)
    if len(places) < len(slots):
      raise ValueError(
          f'{len(slots)} images wanted of class {label}, which has '
          f'{len(places)}'
      )
    chosen[slots] = places[: len(slots)]
  return chosen


def _augment(
    crop_key: chex.PRNGKey, flip_key: chex.PRNGKey, pictures: np.ndarray
) -> np.ndarray:
  num, height, width, _ = pictures.shape
  border = ((0, 0), (_PADDING, _PADDING), (_PADDING, _PADDING), (0, 0))
  padded = np.pad(pictures, border)
  corners = np.asarray(
      jax.random.randint(crop_key, (num, 2), 0, 2 * _PADDING + 1, jnp.int32)
  )
  mirrored = np.asarray(
      jax.random.bernoulli(flip_key, jnp.float32(0.5), (num,))
  )
  crops = np.stack([
      picture[top : top + height, left : left + width]
      for picture, (top, left) in zip(padded, corners)
  ])
  return np.where(mirrored[:, None, None, None], crops[:, :, ::-1], crops)


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Mean and standard deviation `[3]`, white being 1."""
  if images.dtype != np.uint8:
    return (
        images.mean((0, 1, 2), dtype=np.float64),
        images.std((0, 1, 2), dtype=np.float64),
    )
  # By counts of the 256 values: no copy of a data set in floats.
  values = np.arange(256) / 255
  counts = np.stack([
      np.bincount(images[..., channel].ravel(), minlength=256)
      for channel in range(3)
  ])
  share = counts / counts.sum(1, keepdims=True)
  mean = share @ values
  return mean, np.sqrt((share * (values - mean[:, None]) ** 2).sum(1))
