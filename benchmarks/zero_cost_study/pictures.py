"""Batches: CIFAR or other labelled images, a photograph, or noise."""

from __future__ import annotations

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import zero_cost

_SIDES = 1.5, 7.0  # of crops, in units of the resolution
_JITTER = 0.15  # of a crop, as a part of its side
_FLAT = 30.0  # deviation of pixels below which a crop shows nothing
_MAX_TRIES = 100


def batch(
    source: str,
    key: jax.Array,
    num_images: int,
    num_classes: int,
    resolution: int,
) -> zero_cost.Batch:
  """A batch of the images that `source` names.

  Args:
    source: `gaussian`, `photograph`, or a path: an npz file of `images` and
      `labels`, or CIFAR's folder, archive or file in its binary layout.
    key: of the draw.
    num_images: N.
    num_classes: K of the scored networks; labels of given images go round them
      where there are other classes.
    resolution: height and width; given images are shrunk to it by whole
      factors.

  Raises:
    ValueError: there are no such images, or they do not fit.
    OSError: a file is missing.
  """
  if source == 'gaussian':
    return zero_cost.gaussian_batch(
        key, num_images, num_classes, resolution=resolution
    )
  if source == 'photograph':
    return photograph(key, num_images, num_classes, resolution)
  found = (
      zero_cost.load_images(source)
      if pathlib.Path(source).suffix == '.npz'
      else zero_cost.read_cifar(source)
  )
  drawn = zero_cost.images_batch(
      key,
      found.images,
      found.labels,
      num_images,
      found.num_classes,
      balanced=True,
      source=found.source,
  )
  images, labels = drawn.images, drawn.labels
  factor, rest = divmod(images.shape[1], resolution)
  if rest or images.shape[1] != images.shape[2]:
    raise ValueError(
        f'{source}: images of {images.shape[1]}x{images.shape[2]} cannot be '
        f'shrunk to {resolution}x{resolution}'
    )
  if found.num_classes != num_classes:
    labels = jnp.arange(num_images, dtype=jnp.int32) % num_classes
  return zero_cost.Batch(_shrink(images, factor), labels, found.source)


def photograph(
    key: jax.Array, num_images: int, num_classes: int, resolution: int
) -> zero_cost.Batch:
  """Crops of the one photograph that comes with matplotlib.

  Natural statistics, but of one scene: crops that show something, half of
  them mirrored. Those of a class are shifted and scaled around one place.
  """
  from matplotlib import cbook
  from PIL import Image

  path = str(cbook.get_sample_data('grace_hopper.jpg', asfileobj=False))
  picture = Image.open(path).convert('RGB')
  rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())

  def crop(side: float, corner: np.ndarray) -> np.ndarray:
    box = (*corner, *(corner + side))
    size = (resolution, resolution)
    small = picture.resize(size, Image.Resampling.BOX, box)
    return np.asarray(small, np.float32)

  def place() -> tuple[float, np.ndarray]:
    for _ in range(_MAX_TRIES):
      side = rng.uniform(*_SIDES) * resolution
      corner = rng.random(2) * (np.array(picture.size) - side)
      if crop(side, corner).std() > _FLAT:
        break
    return side, corner

  places = [place() for _ in range(num_classes)]
  crops = []
  labels = np.arange(num_images) % num_classes
  for label in labels:
    side, corner = places[label]
    corner = corner + rng.uniform(-_JITTER, _JITTER, 2) * side
    side = side * rng.uniform(1 - _JITTER, 1 + _JITTER)
    corner = corner.clip(0, np.array(picture.size) - side)
    one = crop(side, corner)
    crops.append(one[:, ::-1] if rng.random() < 0.5 else one)
  images = np.stack(crops)
  images = (images - images.mean((0, 1, 2))) / images.std((0, 1, 2))
  return zero_cost.Batch(
      jnp.asarray(images), jnp.asarray(labels, jnp.int32), 'photograph'
  )


def _shrink(images: jax.Array, factor: int) -> jax.Array:
  num, height, width, channels = images.shape
  blocks = images.reshape(
      num, height // factor, factor, width // factor, factor, channels
  )
  return blocks.mean((2, 4))
