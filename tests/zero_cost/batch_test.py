"""Batches of images: what is drawn, how it is cropped, what is read."""

import io
import pathlib
import tarfile
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import zero_cost


def _pictures(num, side=8, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, 256, (num, side, side, 3)).astype(np.uint8)


def _key(seed=0):
  return jax.random.key(seed)


class ImagesBatchTest(parameterized.TestCase):

  def test_draws_different_images_and_normalises(self):
    images, labels = _pictures(20), np.arange(20) % 5
    batch = zero_cost.images_batch(
        _key(), images, labels, 20, 5, augment=False, source='toy'
    )
    self.assertEqual(batch.source, 'toy')
    self.assertEqual(batch.images.dtype, np.float32)
    # All of them, in another order, each with its own label.
    flat = images / 255.0
    wanted = (flat - flat.mean((0, 1, 2))) / flat.std((0, 1, 2))
    found = np.asarray(batch.images)
    place = [
        int(np.abs(wanted - one).max((1, 2, 3)).argmin()) for one in found
    ]
    self.assertCountEqual(place, range(20))
    self.assertNotEqual(place, list(range(20)))
    np.testing.assert_allclose(found, wanted[place], atol=1e-5)
    np.testing.assert_array_equal(batch.labels, labels[place])

  def test_given_moments_and_floats(self):
    images = np.random.default_rng(0).uniform(size=(1, 4, 4, 3))
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0])
    batch = zero_cost.images_batch(
        _key(), images, np.zeros(1, int), 1, 2, augment=False, mean=mean,
        std=std,
    )
    np.testing.assert_allclose(
        batch.images, (images - mean) / std, rtol=1e-6
    )

  def test_augmentation_is_a_crop_of_the_black_framed_image_or_its_mirror(self):
    image = _pictures(1)
    images = np.repeat(image, 200, axis=0)
    batch = zero_cost.images_batch(
        _key(), images, np.zeros(200, int), 200, 1, mean=np.zeros(3),
        std=np.ones(3),
    )
    framed = np.zeros((16, 16, 3))
    framed[4:12, 4:12] = image[0] / 255.0
    known = {
        crop[:, ::step].astype(np.float32).tobytes(): (top, left, step)
        for top in range(9) for left in range(9)
        for crop in [framed[top : top + 8, left : left + 8]]
        for step in (1, -1)
    }
    found = [known[np.asarray(one).tobytes()] for one in batch.images]
    self.assertEqual({top for top, _, _ in found}, set(range(9)))
    self.assertEqual({left for _, left, _ in found}, set(range(9)))
    mirrored = sum(step == -1 for _, _, step in found)
    self.assertBetween(mirrored, 70, 130)

  @parameterized.parameters((10, 5), (7, 3))
  def test_balanced(self, num_images, num_classes):
    labels = np.r_[np.zeros(40, int), np.arange(20) % num_classes]
    images = _pictures(60)
    batch = zero_cost.images_batch(
        _key(), images, labels, num_images, num_classes, balanced=True,
        augment=False, mean=np.zeros(3), std=np.ones(3),
    )
    np.testing.assert_array_equal(
        batch.labels, np.arange(num_images) % num_classes
    )
    distinct = {np.asarray(one).tobytes() for one in batch.images}
    self.assertLen(distinct, num_images)
    # The images are those of the labels.
    of = {
        (one / np.float32(255)).astype('f4').tobytes(): label
        for one, label in zip(images, labels)
    }
    for one, label in zip(batch.images, batch.labels):
      near = (np.round(np.asarray(one) * 255) / np.float32(255)).astype('f4')
      self.assertEqual(of[near.tobytes()], label)

  def test_the_key_decides(self):
    args = _pictures(50), np.zeros(50, int), 8, 2
    first, second, third = (
        np.asarray(zero_cost.images_batch(_key(seed), *args).images)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    self.assertGreater(np.abs(first - third).max(), 0.1)

  def test_a_channel_of_one_value_is_centred(self):
    images = np.full((3, 4, 4, 3), 7, np.uint8)
    batch = zero_cost.images_batch(
        _key(), images, np.zeros(3, int), 2, 1, augment=False
    )
    np.testing.assert_allclose(batch.images, 0.0, atol=1e-6)

  @parameterized.parameters(
      ({'num_images': 11}, '11 images wanted of 10'),
      ({'num_images': 0}, 'at least 1'),
      (
          {'num_images': 10, 'balanced': True},
          '5 images wanted of class 1, which has 3',
      ),
      ({'num_classes': 1}, 'labels run from 0 to 1, want 0 to 0'),
      ({'labels': np.zeros(9, int)}, 'labels must be 10 integers'),
      ({'labels': np.zeros(10)}, 'integers, got float64'),
      ({'images': np.zeros((10, 8, 8))}, r'\[M, H, W, 3\]'),
      ({'images': np.zeros((10, 8, 8, 3), int)}, 'uint8 or floats, got int64'),
  )
  def test_refuses(self, change, message):
    arguments = {
        'images': _pictures(10), 'labels': np.array([0] * 7 + [1] * 3),
        'num_images': 4, 'num_classes': 2,
    }
    with self.assertRaisesRegex(ValueError, message):
      zero_cost.images_batch(_key(), **(arguments | change))


class CifarTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )

  def _write(self, name, images, *labels):
    """A file in the binary layout, written value by value."""
    content = bytearray()
    for i, image in enumerate(images):
      content += bytes(int(column[i]) for column in labels)
      for channel in range(3):
        for line in image[:, :, channel]:
          content += bytes(line.tolist())
    (self.folder / name).write_bytes(bytes(content))
    return self.folder / name

  def test_cifar10_folder(self):
    images = _pictures(5, side=32)
    self._write('data_batch_2.bin', images[3:], [9, 0])
    self._write('data_batch_1.bin', images[:3], [1, 2, 3])
    self._write('test_batch.bin', images[:1], [4])
    read = zero_cost.read_cifar(self.folder)
    np.testing.assert_array_equal(read.images, images)
    np.testing.assert_array_equal(read.labels, [1, 2, 3, 9, 0])
    self.assertEqual((read.num_classes, read.source), (10, 'cifar10'))
    test = zero_cost.read_cifar(self.folder / 'test_batch.bin')
    np.testing.assert_array_equal(test.labels, [4])

  def test_cifar100_takes_the_fine_label(self):
    images = _pictures(2, side=32)
    path = self._write('train.bin', images, [19, 3], [99, 50])
    for where in (self.folder, [path]):
      read = zero_cost.read_cifar(where)
      np.testing.assert_array_equal(read.images, images)
      np.testing.assert_array_equal(read.labels, [99, 50])
      self.assertEqual((read.num_classes, read.source), (100, 'cifar100'))

  def test_archive_without_unpacking(self):
    images = _pictures(2, side=32)
    path = self._write('data_batch_1.bin', images, [7, 8])
    archive = self.folder / 'cifar-10-binary.tar.gz'
    with tarfile.open(archive, 'w:gz') as tar:
      tar.add(path, 'cifar-10-batches-bin/data_batch_1.bin')
      note = tarfile.TarInfo('cifar-10-batches-bin/batches.meta.txt')
      note.size = 3
      tar.addfile(note, io.BytesIO(b'cat'))
    path.unlink()
    read = zero_cost.read_cifar(archive)
    np.testing.assert_array_equal(read.images, images)
    np.testing.assert_array_equal(read.labels, [7, 8])
    self.assertEqual([p.name for p in self.folder.iterdir()], [archive.name])

  def test_damaged_files_are_named(self):
    images = _pictures(3, side=32)
    path = self._write('data_batch_1.bin', images, [0, 10, 3])
    with self.assertRaisesRegex(
        ValueError, 'data_batch_1.bin: record 1 has label 10, want 0 to 9'
    ):
      zero_cost.read_cifar(self.folder)
    path.write_bytes(path.read_bytes()[:-1])
    with self.assertRaisesRegex(
        ValueError, r'data_batch_1.bin: 9218 bytes .* record 2 is cut short'
    ):
      zero_cost.read_cifar(self.folder)
    path.write_bytes(b'')
    with self.assertRaisesRegex(ValueError, 'data_batch_1.bin: 0 bytes'):
      zero_cost.read_cifar(path)

  @parameterized.parameters(
      (20, 0, 'coarse label 20, want 0 to 19'),
      (0, 100, 'fine label 100, want 0 to 99'),
  )
  def test_both_labels_of_cifar100_are_checked(self, coarse, fine, message):
    self._write('train.bin', _pictures(1, side=32), [coarse], [fine])
    with self.assertRaisesRegex(ValueError, f'record 0 has {message}'):
      zero_cost.read_cifar(self.folder)

  def test_other_things_are_refused(self):
    with self.assertRaisesRegex(ValueError, 'has none of data_batch_1.bin'):
      zero_cost.read_cifar(self.folder)
    # The pickled version has these names without an ending.
    (self.folder / 'data_batch_1').write_bytes(b'\x80\x02}')
    with self.assertRaisesRegex(ValueError, 'python version" is not'):
      zero_cost.read_cifar(self.folder)
    with self.assertRaisesRegex(ValueError, 'not named as a CIFAR file'):
      zero_cost.read_cifar(self.folder / 'data_batch_1')
    self._write('data_batch_1.bin', _pictures(1, side=32), [0])
    self._write('train.bin', _pictures(1, side=32), [0], [0])
    with self.assertRaisesRegex(ValueError, 'both CIFAR-10 and CIFAR-100'):
      zero_cost.read_cifar(self.folder)
    broken = self.folder / 'broken.tar.gz'
    broken.write_bytes(b'no archive')
    with self.assertRaisesRegex(ValueError, 'broken.tar.gz: not a tar'):
      zero_cost.read_cifar(broken)
    with self.assertRaises(FileNotFoundError):
      zero_cost.read_cifar(self.folder / 'x' / 'test.bin')


class LoadImagesTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = pathlib.Path(folder) / 'pictures.npz'

  def test_reads(self):
    images = _pictures(4)
    np.savez(self.path, images=images, labels=np.array([0, 2, 1, 0], 'i8'))
    read = zero_cost.load_images(self.path)
    np.testing.assert_array_equal(read.images, images)
    np.testing.assert_array_equal(read.labels, [0, 2, 1, 0])
    self.assertEqual((read.num_classes, read.source), (3, 'pictures.npz'))
    np.savez(
        self.path, images=images, labels=np.zeros(4, int), num_classes=7,
        source='crops',
    )
    read = zero_cost.load_images(self.path)
    self.assertEqual((read.num_classes, read.source), (7, 'crops'))

  def test_refuses(self):
    with self.assertRaises(FileNotFoundError):
      zero_cost.load_images(self.path)
    self.path.write_bytes(b'PK no')
    with self.assertRaisesRegex(ValueError, 'pictures.npz: not an npz'):
      zero_cost.load_images(self.path)
    np.savez(self.path, images=_pictures(2))
    with self.assertRaisesRegex(ValueError, 'pictures.npz: .*labels'):
      zero_cost.load_images(self.path)
    np.savez(self.path, images=_pictures(2), labels=np.array([0, -1]))
    with self.assertRaisesRegex(ValueError, 'pictures.npz: labels run from -1'):
      zero_cost.load_images(self.path)
    np.savez(self.path, images=np.array([object()]), labels=np.zeros(1, int))
    with self.assertRaisesRegex(ValueError, 'not an npz file of images'):
      zero_cost.load_images(self.path)


if __name__ == '__main__':
  absltest.main()
