"""Batches: CIFAR or other labelled images, photographs, or noise."""

from __future__ import annotations

import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import zero_cost

# Colour photographs that come with packages: module, path in it.
PHOTOGRAPHS = (
    ('matplotlib', 'mpl-data/sample_data/grace_hopper.jpg'),
    ('skimage', 'data/astronaut.png'),
    ('skimage', 'data/chelsea.png'),
    ('skimage', 'data/coffee.png'),
    ('skimage', 'data/motorcycle_left.png'),
    ('skimage', 'data/rocket.jpg'),
    ('sklearn', 'datasets/images/china.jpg'),
    ('sklearn', 'datasets/images/flower.jpg'),
)
_SIDES = 1.5, 7.0  # of crops, in units of the resolution
_FLAT = 30.0  # mean deviation of channels below which a crop shows nothing
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
    source: `gaussian`, `photographs`, or a path: an npz file of `images` and
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
  if source == 'photographs':
    return photographs(key, num_images, num_classes, resolution)
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


def photographs(
    key: jax.Array, num_images: int, num_classes: int, resolution: int
) -> zero_cost.Batch:
  """Crops of the eight `PHOTOGRAPHS`; class `n` is of photograph `n % 8`.

  Natural statistics, of few scenes: beyond eight classes several are of one
  photograph and differ in nothing. A crop is anywhere in it, its side 1.5 to 7
  times the resolution, and drawn again (100 times at most) where it shows
  nothing; half of them are mirrored.

  Args:
    key: of the draw.
    num_images: N.
    num_classes: K; labels go round.
    resolution: R.

  Returns:
    `[N, R, R, 3]`, normalised by channel.

  Raises:
    ValueError: a package that brings photographs is missing.
  """
  from PIL import Image

  pictures = [Image.open(path).convert('RGB') for path in _paths()]
  rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())

  def crop(picture: Image.Image) -> np.ndarray:
    for _ in range(_MAX_TRIES):
      extent = np.array(picture.size)
      side = min(rng.uniform(*_SIDES) * resolution, extent.min())
      corner = rng.random(2) * (extent - side)
      box = (*corner, *(corner + side))
      size = (resolution, resolution)
      small = picture.resize(size, Image.Resampling.BOX, box)
      pixels = np.asarray(small, np.float32)
      if pixels.std((0, 1)).mean() > _FLAT:
        break
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels

  labels = np.arange(num_images) % num_classes
  images = np.stack([crop(pictures[n % len(pictures)]) for n in labels])
  images = (images - images.mean((0, 1, 2))) / images.std((0, 1, 2))
  return zero_cost.Batch(
      jnp.asarray(images), jnp.asarray(labels, jnp.int32), 'photographs'
  )


def _paths() -> list[pathlib.Path]:
  """Files of `PHOTOGRAPHS`; the packages are not imported."""
  paths = []
  for module, path in PHOTOGRAPHS:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
      raise ValueError(
          'photographs: they come with matplotlib, scikit-image and '
          f'scikit-learn, and there is no {module}'
      )
    paths.append(pathlib.Path(found.origin).parent / path)
  return paths


def _shrink(images: jax.Array, factor: int) -> jax.Array:
  num, height, width, channels = images.shape
  blocks = images.reshape(
      num, height // factor, factor, width // factor, factor, channels
  )
  return blocks.mean((2, 4))
