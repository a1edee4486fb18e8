"""Networks: parameter counts, whole forward passes, dead branches, errors."""

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import numpy as np

from nasflat_jax import measure
from nasflat_jax import spaces
from nasflat_jax.measure import _networks_fbnet
from nasflat_jax.measure import _networks_nasbench201


def _relu(x):
  return np.maximum(x, 0)


def _conv(x, kernel, stride=1, groups=1):
  """Float64 in NumPy: sums shifted images, one for each tap of the kernel."""
  batch, height, width, inputs = x.shape
  size, _, per_group, outputs = kernel.shape
  half = size // 2
  padded = np.zeros((batch, height + 2 * half, width + 2 * half, inputs))
  padded[:, half : half + height, half : half + width] = x
  result = 0
  for i in range(size):
    for j in range(size):
      tap = padded[:, i : i + height : stride, j : j + width : stride]
      tap = tap.reshape(*tap.shape[:3], groups, per_group)
      weights = kernel[i, j].reshape(per_group, groups, outputs // groups)
      result = result + np.einsum('bhwgi,igo->bhwgo', tap, weights)
  return result.reshape(*result.shape[:3], outputs)


class _Layers:
  """Applies layers by name with parameters in float64."""

  def __init__(self, params):
    self.trainable = params['trainable']
    self.statistics = params['statistics']

  def kernel(self, name):
    return np.asarray(self.trainable[name]['kernel'], np.float64)

  def conv(self, name, x, stride=1, groups=1):
    return _conv(x, self.kernel(name), stride, groups)

  def norm(self, name, x):
    layer = {**self.trainable[name], **self.statistics[name]}
    v = {k: np.asarray(layer[k], np.float64) for k in layer}
    normal = (x - v['mean']) / np.sqrt(v['variance'] + 1e-5)
    return v['scale'] * normal + v['offset']

  def conv_norm(self, name, x, stride=1, groups=1):
    return self.norm(name, self.conv(name, x, stride, groups))

  def classifier(self, x):
    bias = np.asarray(self.trainable['classifier']['bias'], np.float64)
    return x.mean((1, 2)) @ self.kernel('classifier') + bias


def _avg_pool(x):
  """3x3 windows, each cut at the border."""
  result = np.zeros_like(x)
  for i in range(x.shape[1]):
    for j in range(x.shape[2]):
      window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
      result[:, i, j] = window.mean((1, 2))
  return result


def _nasbench201(params, genotype, images, num_cells):
  """NAS-Bench-201: gene 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
  net = _Layers(params)
  x = net.conv_norm('stem', images.astype(np.float64))
  for stage in range(3):
    if stage:
      r = f'reduction{stage}'
      y = net.conv_norm(f'{r}_a', _relu(x), stride=2)
      y = net.conv_norm(f'{r}_b', _relu(y))
      b, h, w, c = x.shape
      pooled = x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
      x = y + net.conv(f'{r}_shortcut', pooled)
    for cell in range(num_cells):

      def edge(gene, source, stage=stage, cell=cell):
        op = genotype[gene]
        if op == 0:
          return 0 * source
        if op == 1:
          return source
        if op == 4:
          return _avg_pool(source)
        size = {2: '1x1', 3: '3x3'}[op]
        name = f'stage{stage}_cell{cell}_edge{gene}_{size}'
        return net.conv_norm(name, _relu(source))

      n1 = edge(0, x)
      n2 = edge(1, x) + edge(2, n1)
      x = edge(3, x) + edge(4, n1) + edge(5, n2)
  return net.classifier(_relu(net.norm('head', x)))


def _fbnet(params, genotype, images, strides, stem_stride):
  """FBNet: stem, 22 blocks or skips, header."""
  net = _Layers(params)
  x = _relu(net.conv_norm('stem', images.astype(np.float64), stem_stride))
  number = 0
  for stage, (count, width) in enumerate(
      [(1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352)]
  ):
    for position in range(count):
      op = genotype[number]
      name = f'layer{number}_op{op}'
      stride = strides[stage] if position == 0 else 1
      same = stride == 1 and x.shape[-1] == width
      number += 1
      if op == 8:
        if not same:
          x = _relu(net.conv_norm(f'{name}_skip', x, stride))
        continue
      expansion, groups = [(1, 1), (1, 2), (3, 1), (6, 1)][op % 4]
      wide = x.shape[-1] * expansion
      y = _relu(net.conv_norm(f'{name}_expand', x, groups=groups))
      if groups == 2:
        first, second = y[..., : wide // 2], y[..., wide // 2 :]
        y = np.stack([first, second], -1).reshape(y.shape)
      y = _relu(net.conv_norm(f'{name}_depthwise', y, stride, wide))
      y = net.conv_norm(f'{name}_project', y, groups=groups)
      x = x + y if same else y
  return net.classifier(_relu(net.conv_norm('header', x)))


def _random_params(network, seed):
  """Parameters none of which is neutral; variances are positive."""
  rng = np.random.default_rng(seed)

  def draw(path, leaf):
    kind = path[-1].key
    if kind == 'kernel':
      fan_in = np.prod(leaf.shape[:-1])
      return rng.normal(size=leaf.shape).astype(np.float32) / np.sqrt(fan_in)
    low, high = (0.5, 1.5) if kind in ('scale', 'variance') else (-0.5, 0.5)
    return rng.uniform(low, high, leaf.shape).astype(np.float32)

  return jax.tree_util.tree_map_with_path(draw, network.shapes)


def _flops(genotype):
  network = measure.network('nasbench201', genotype)
  images = jax.ShapeDtypeStruct((1, *network.input_shape), np.float32)
  program = jax.jit(network.apply).lower(network.shapes, images).compile()
  return program.cost_analysis()['flops']


class NetworksTest(parameterized.TestCase):

  @parameterized.parameters(
      ((0, 0, 0, 0, 0, 0),),
      ((3, 3, 3, 3, 3, 3),),
      ((2, 2, 2, 2, 2, 2),),
      ((1, 4, 2, 3, 0, 3),),
  )
  def test_nasbench201_parameters_are_those_of_the_benchmark(self, genotype):
    expected = (
        73306 + 243040 * genotype.count(3) + 28000 * genotype.count(2)
    )
    network = measure.network('nasbench201', genotype, setting='cifar10')
    self.assertEqual(measure.num_params(network.shapes), expected)

  @parameterized.parameters(
      # NAS-Bench-Suite-Zero's `params` of networks in NASFLAT's FBNet pool.
      ('2_8_6_3_8_4_8_4_1_8_7_8_0_6_2_5_2_6_0_2_7_7', 2447972),
      ('1_3_3_7_8_3_4_5_1_2_1_7_4_6_4_7_7_4_8_7_6_4', 2020004),
  )
  def test_fbnet_parameters_are_those_of_the_table(self, name, expected):
    genotype = [int(gene) for gene in name.split('_')]
    network = measure.network('fbnet', genotype)
    self.assertEqual(measure.num_params(network.shapes), expected)

  @parameterized.parameters(
      ('nasbench201', 'cifar10'),
      ('nasbench201', 'cifar100'),
      ('nasbench201', 'imagenet16-120'),
      ('fbnet', 'cifar100'),
      ('fbnet', 'imagenet'),
  )
  def test_parameters_agree_with_the_analytic_costs(self, name, setting):
    space = spaces.get(name)
    rng = np.random.default_rng(3)
    shape = (20, space.spec.num_genes)
    genotypes = rng.integers(0, len(space.spec.gene_names), shape, np.int32)
    costs = space.costs(genotypes, setting=setting)
    for genotype, expected in zip(genotypes, np.asarray(costs.params)):
      network = measure.network(name, genotype, setting=setting)
      self.assertEqual(measure.num_params(network.shapes), expected)

  @parameterized.parameters(
      ((3, 2, 4, 1, 3, 2),),
      ((4, 1, 3, 0, 2, 4),),
      # Node 1 has no inputs: its convolutions give the offset of their norm.
      ((0, 3, 4, 2, 3, 3),),
      ((0, 0, 2, 0, 4, 3),),
      ((3, 3, 3, 0, 0, 0),),
  )
  def test_nasbench201_forward(self, genotype):
    network = _networks_nasbench201.network(
        genotype, resolution=8, num_classes=5, channels=4, num_cells=2
    )
    params = _random_params(network, 1)
    images = np.random.default_rng(2).normal(size=(2, 8, 8, 3))
    images = images.astype(np.float32)
    expected = _nasbench201(params, genotype, images, 2)
    logits = network.apply(params, images)
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)

  @parameterized.parameters(0, 1)
  def test_fbnet_forward(self, seed):
    rng = np.random.default_rng(seed)
    # Every operation, and a skip where the shape changes.
    genotype = np.concatenate([rng.permutation(9), rng.integers(0, 9, 13)])
    genotype[9] = 8
    setting = _networks_fbnet.Setting(16, 7, 2, (1, 1, 2, 2, 1, 1, 1), 32)
    network = _networks_fbnet.network(
        genotype, setting=setting, num_classes=7
    )
    params = _random_params(network, seed)
    images = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    expected = _fbnet(
        params, genotype, images, setting.strides, 2
    )
    logits = jax.jit(network.apply)(params, images)
    np.testing.assert_allclose(logits, expected, rtol=2e-3, atol=1e-4)

  def test_init_gives_finite_logits_of_the_batch(self):
    network = measure.network('nasbench201', [1, 4, 0, 2, 1, 4], num_classes=7)
    params = network.init(jax.random.key(0))
    chex.assert_trees_all_equal_shapes(params, network.shapes)
    layers = params['trainable'].values()
    kernels = [np.asarray(x['kernel']) for x in layers if 'kernel' in x]
    for kernel in kernels:
      std = np.sqrt(2 / np.prod(kernel.shape[:-1]))
      self.assertBetween(np.std(kernel), 0.8 * std, 1.2 * std)
    # Every layer has draws of its own.
    self.assertLen({float(k.ravel()[0] * k[..., 0].size ** 0.5)
                    for k in kernels}, len(kernels))
    images = jax.random.normal(jax.random.key(1), (3, *network.input_shape))
    logits = jax.jit(network.apply)(params, images)
    chex.assert_shape(logits, (3, 7))
    chex.assert_tree_all_finite(logits)
    self.assertGreater(np.std(logits), 0)

  def test_dead_branches_do_not_reach_the_output(self):
    # Edges 0-1, 0-2 and 1-2 lead nowhere: nothing leaves nodes 1 and 2.
    network = _networks_nasbench201.network(
        (3, 2, 3, 2, 0, 0), resolution=8, num_classes=5, channels=4, num_cells=1
    )
    params = _random_params(network, 0)
    images = np.ones((1, 8, 8, 3), np.float32)
    gradient = jax.jit(
        jax.grad(lambda p: network.apply(p, images).sum())
    )(params)
    largest = {
        name: float(np.abs(layer['kernel']).max())
        for name, layer in gradient['trainable'].items()
        if 'edge' in name
    }
    self.assertLen(largest, 4 * 3)
    for name, value in largest.items():
      self.assertEqual(value > 0, 'edge3' in name, name)

  def test_the_compiler_drops_dead_branches(self):
    self.assertEqual(_flops([3, 3, 3, 1, 0, 0]), _flops([0, 0, 0, 1, 0, 0]))
    self.assertGreater(_flops([3, 0, 0, 1, 1, 0]), _flops([0, 0, 0, 1, 0, 0]))

  def test_rejects_what_is_not_of_the_space(self):
    with self.assertRaisesRegex(ValueError, "no networks for the space 'ofa'"):
      measure.network('ofa', [0])
    with self.assertRaisesRegex(ValueError, 'settings: cifar100, imagenet'):
      measure.network('fbnet', [0] * 22, setting='cifar10')
    with self.assertRaisesRegex(ValueError, r'int64\[5\], want integers \[6'):
      measure.network('nasbench201', np.zeros(5, np.int64))
    with self.assertRaisesRegex(ValueError, 'genes are 0 to 4'):
      measure.network('nasbench201', [0, 0, 0, 0, 0, 5])
    with self.assertRaisesRegex(ValueError, 'num_classes: got 0'):
      measure.network('nasbench201', [0] * 6, num_classes=0)

  def test_rejects_images_of_another_shape(self):
    network = measure.network('nasbench201', [0] * 6)
    with self.assertRaisesRegex(ValueError, r'want \[B, 32, 32, 3\]'):
      network.apply({}, np.zeros((1, 16, 16, 3), np.float32))


if __name__ == '__main__':
  absltest.main()
