"""The binary, run end to end on real data and on wrong flags."""

import contextlib
import dataclasses
import functools
import io
import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import methods
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import trials
from nasflat_jax import types
from nasflat_jax.cli import _axes
from nasflat_jax.cli import evaluate
import real_data


def _run(*flags):
  """Exit code, stdout and stderr."""
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = evaluate.run(['nasflat-evaluate', *flags])
  return code, out.getvalue(), err.getvalue()


def _toy(space, names, num):
  """Latencies without a meaning, of `num` networks on devices of such names."""
  rng = np.random.default_rng(0)
  drawn = np.asarray(space.random(jax.random.key(0), 4 * num))
  return data.LatencyTable(
      space=space.spec.name, source='toy',
      devices=tuple(
          types.Device(name=name, family='gpu', processor='x') for name in names
      ),
      genotype=np.unique(drawn, axis=0)[:num],
      values=rng.uniform(1.0, 2.0, (len(names), num)),
  )


def _tables(*tables):
  """These in place of the published ones; other spaces fail as ever."""
  known = {table.space: table for table in tables}
  published = data.load_latency
  return mock.patch.object(
      data, 'load_latency', lambda space: known.get(space) or published(space)
  )


class EvaluateTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.out = pathlib.Path(self.create_tempdir()) / 'rows.json'

  def _on_real_data(self, *flags):
    table = real_data.table('fbnet')
    with mock.patch.object(data, 'load_latency', lambda space: table):
      return _run(
          '--tasks=FD', '--num_trials=2', '--num_support=10,20',
          f'--out={self.out}', *flags,
      )

  def test_zero_cost_scores_of_ones_own_are_used_and_named(self):
    table = dataclasses.replace(data.load_zero_cost('fbnet'), source='own')
    path = self.out.parent / 'own.npz'
    table.save(path)
    flags = (
        '--methods=flops', '--sampler=k_means', '--sampler_encoding=zcp',
        '--pool_size=50',
    )
    with mock.patch.dict(os.environ, NASFLAT_ZERO_COST=str(path)):
      code, _, err = self._on_real_data(*flags)
    self.assertEqual(code, 0, err)
    self.assertEqual(
        json.loads(self.out.read_text())['meta']['settings']['zero_cost_table'],
        f'own {data.fingerprint(table)}',
    )
    with mock.patch.dict(os.environ, NASFLAT_ZERO_COST=f'{path}x'):
      code, _, err = self._on_real_data(*flags)
    self.assertEqual(code, 2)
    self.assertIn('$NASFLAT_ZERO_COST: there is no file', err)

  def test_baselines_end_to_end(self):
    flags = ('--methods=flops,ridge_counts,linear_sources', '--num_source=4000')
    code, out, err = self._on_real_data(*flags)
    self.assertEqual(code, 0, err)
    written = json.loads(self.out.read_text())
    rows = written['rows']
    self.assertLen(rows, 3 * 2 * 2 * 3)  # methods, sizes, trials, devices
    means = {
        (entry['method'], entry['num_support']): entry['spearman']
        for entry in trials.summarize(rows)
    }
    # Another implementation, with 4000 rows per source: .959, .806 and .966.
    self.assertAlmostEqual(means['flops', 20], 0.960, delta=0.003)
    self.assertBetween(means['ridge_counts', 20], 0.70, 0.90)
    self.assertAlmostEqual(means['linear_sources', 20], 0.965, delta=0.02)
    self.assertGreater(
        means['linear_sources', 20], means['linear_sources', 10]
    )
    self.assertRegex(out, r'FD +linear_sources +20 +0\.9')
    self.assertIn('FD linear_sources: 12/12', err)
    meta = written['meta']
    self.assertIn('--methods=flops,ridge_counts', meta['command'])
    self.assertNotIn(str(self.out.parent), self.out.read_text())
    self.assertLen(meta['data_sha256']['fbnet'], 64)

    # Again with one method more: the others meet the same supports.
    first = [row for row in rows if row['method'] == 'ridge_counts']
    self._on_real_data(
        '--methods=lookup_table,ridge_counts', '--num_source=4000'
    )
    again = json.loads(self.out.read_text())['rows']
    strip = lambda rs: [
        {**row, 'adapt_seconds': 0, 'prepare_seconds': 0} for row in rs
    ]
    self.assertEqual(strip(again[12:]), strip(first))

  def test_interrupt_and_resume(self):
    calls = []
    evaluate_one = trials._run._evaluate.evaluate

    def interrupt(*args, **kwargs):
      calls.append(kwargs['method_name'])
      if len(calls) == 2:
        raise KeyboardInterrupt
      return evaluate_one(*args, **kwargs)

    flags = ('--methods=flops,ridge_counts',)
    with mock.patch.object(trials._run._evaluate, 'evaluate', interrupt):
      code, _, err = self._on_real_data(*flags)
      self.assertEqual(code, 130)
      self.assertIn('interrupted', err)
      self.assertFalse(self.out.exists())
      code, _, err = self._on_real_data('--resume', '--seed=1', *flags)
      self.assertEqual(code, 2)
      self.assertIn('has seed 0, this run has 1', err)
      code, _, err = self._on_real_data('--resume', *flags)
    self.assertEqual(code, 0, err)
    self.assertEqual(calls, ['flops', 'ridge_counts', 'ridge_counts'])
    self.assertLen(json.loads(self.out.read_text())['rows'], 24)

  @pytest.mark.slow
  def test_nasflat_gets_its_options(self):
    table = real_data.table('fbnet')
    few = dataclasses.replace(
        table, genotype=table.genotype[:200], values=table.values[:, :200],
        official_index=None, reference_index=None,
    )
    small = functools.partial(
        methods.nasflat, pretrain_steps=2, adapt_steps=1, adaptation='head',
    )
    flags = (
        '--tasks=FD', '--methods=nasflat,flops', '--num_support=10',
        '--num_trials=1', '--num_source=30', '--encoding=none',
        '--device_representation=head', '--predictor=dense_graph_flow',
        '--nowarm_start',
    )
    with (
        mock.patch.object(data, 'load_latency', lambda space: few),
        mock.patch.object(methods, 'nasflat', small),
        mock.patch.object(
            transfer, 'pretrain_network', wraps=transfer.pretrain_network
        ) as pretrained,
    ):
      code, out, err = _run(f'--out={self.out}', *flags)
    self.assertEqual(code, 0, err)
    pretrained.assert_called_once()
    self.assertEqual(pretrained.call_args.kwargs['encoding'], 'none')
    self.assertIs(pretrained.call_args.kwargs['warm_start'], False)
    genotype, latency_ms = pretrained.call_args.args[2:]
    self.assertLen(genotype, 30)
    rows = [
        row for row in json.loads(self.out.read_text())['rows']
        if row['method'] == 'nasflat'
    ]
    targets = partitions.get('FD').target
    self.assertCountEqual([row['device'] for row in rows], targets)
    # No target device is among the sources.
    for name in targets:
      self.assertFalse(np.isin(latency_ms, few.row(name)).all(axis=1).any())
    self.assertTrue(all(np.isfinite(row['spearman']) for row in rows))
    self.assertRegex(out, r'FD +nasflat +10 +')

  @pytest.mark.slow
  def test_a_pretrained_network_is_kept_and_used_again(self):
    names = (*partitions.ND.source, *partitions.ND.target)
    table = _toy(spaces.NASBENCH201, names, 120)
    folder = self.out.parent / 'kept'
    method = 'nasflat[pretrain_steps=1,predictor=encoding_mlp]'
    flags = (
        '--tasks=ND', f'--methods=flops,{method}', '--num_support=5',
        '--num_trials=1', '--num_source=20', f'--pretrained={folder}',
        f'--out={self.out}', '--adaptation=head', '--encoding=none',
    )
    with (
        _tables(table),
        mock.patch.object(
            transfer, 'pretrain_network', wraps=transfer.pretrain_network
        ) as pretrain,
    ):
      rows = []
      for _ in range(2):
        code, _, err = _run(*flags)
        self.assertEqual(code, 0, err)
        written = json.loads(self.out.read_text())
        rows.append([
            {**row, 'adapt_seconds': 0} for row in written['rows']
            if row['method'] == method
        ])
      code, _, err = _run(*flags, '--seed=1')
    pretrain.assert_called_once()
    self.assertEqual(rows[0], rows[1])
    self.assertEqual(
        [path.name for path in folder.iterdir()],
        ['ND-nasflat-pretrain_steps=1-predictor=encoding_mlp.npz'],
    )
    self.assertNotIn('pretrained', written['meta']['command'])
    self.assertEqual(code, 2)
    self.assertIn('_mlp.npz: was made with seed 0, this run has 1', err)
    self.assertLen(err.splitlines(), 1)

  @parameterized.parameters(
      (('--methods=flops,nasflat[encoding=arch2vec]',),
       "method 'nasflat[encoding=arch2vec]' on task OD: the encoding"),
      (('--methods=flops', '--sampler=k_means', '--sampler_encoding=cate'),
       '--sampler_encoding: cate on task OD: the encoding'),
  )
  def test_encodings_without_weights_are_refused_first(self, flags, message):
    task = partitions.parse('ofa')[0]
    with (
        _tables(_toy(spaces.OFA, (*task.source, *task.target), 40)),
        mock.patch.object(trials._run._evaluate, 'evaluate') as evaluated,
    ):
      code, _, err = _run(
          f'--tasks={task.name}', '--num_source=20', f'--out={self.out}', *flags
      )
    self.assertEqual(code, 2)
    self.assertIn(message.replace('OD', task.name), err)
    self.assertIn("has no weights for the space 'ofa'", err)
    self.assertLen(err.splitlines(), 1)
    evaluated.assert_not_called()
    self.assertEmpty(list(self.out.parent.iterdir()))

  @pytest.mark.slow
  def test_samplers_and_variants(self):
    code, out, err = self._on_real_data(
        '--methods=lookup_table,lookup_table[per_gene=true]',
        '--sampler=stratified', '--sampler_encoding=latency_oracle',
    )
    self.assertEqual(code, 0, err)
    written = json.loads(self.out.read_text())
    name = 'stratified(latency_oracle)'
    self.assertEqual(written['meta']['settings']['sampler'], name)
    self.assertEqual({row['sampler'] for row in written['rows']}, {name})
    self.assertEqual(
        list(dict.fromkeys(row['method'] for row in written['rows'])),
        ['lookup_table', 'lookup_table[per_gene=true]'],
    )
    one, other = (
        [row['spearman'] for row in written['rows'] if row['method'] == method]
        for method in ('lookup_table', 'lookup_table[per_gene=true]')
    )
    self.assertNotEqual(one, other)
    self.assertIn(f'sampler: {name}: an oracle', out)
    code, _, err = _run(
        f'--out={self.out}', '--sampler=stratified', '--sampler_encoding=costs')
    self.assertEqual(code, 2)
    self.assertIn('--sampler_encoding: stratified sorts by one number', err)

  def test_source_space_makes_a_task_of_each_target_that_is_known(self):
    task = partitions.get('FD')
    table = _toy(spaces.FBNET, (*task.source, *task.target), 60)
    known = (*task.source[:2], task.target[1])
    other = _toy(spaces.NASBENCH201, known, 40)
    problems = []

    @functools.wraps(methods.flops)
    def spy():
      method = flops()

      def prepare(key, problem):
        problems.append(problem)
        return method.prepare(key, problem)

      return method._replace(prepare=prepare)

    flops = methods.flops
    flags = (
        f'--out={self.out}', '--tasks=FD', '--num_support=2', '--num_trials=1',
        '--num_source=20', '--methods=flops',
    )
    with _tables(table, other), mock.patch.object(methods, 'flops', spy):
      code, _, err = _run(*flags, '--source_space=nasbench201')
    self.assertEqual(code, 0, err)
    written = json.loads(self.out.read_text())
    self.assertEqual(
        [(row['task'], row['device']) for row in written['rows']],
        [(f'FD:{task.target[1]}', task.target[1])],
    )
    self.assertEqual(
        set(written['meta']['data_sha256']), {'fbnet', 'nasbench201'}
    )
    (problem,) = problems
    self.assertEqual(problem.source_names, known[:2])
    self.assertIs(problem.elsewhere.space, spaces.NASBENCH201)
    rows = spaces.index_of(spaces.NASBENCH201, problem.elsewhere.genotype)
    self.assertLen(set(rows), 20)
    latency_ms = dict(zip(
        spaces.index_of(spaces.NASBENCH201, other.genotype),
        other.row(task.target[1]),
        strict=True,
    ))
    self.assertEqual(
        problem.elsewhere.target_latency_ms.tolist(),
        [latency_ms[row] for row in rows],
    )
    self.out.unlink()
    none = _toy(spaces.NASBENCH201, task.source[:2], 40)
    for space, message in (
        ('magic', "no latency table for the space 'magic'; known: nasbench201"),
        ('fbnet', 'task FD is on fbnet'),
        ('nasbench201', 'toy has 2 sources and 0 targets of task FD'),
    ):
      with _tables(table, none):
        code, out, err = _run(*flags, f'--source_space={space}')
      self.assertEqual((code, out), (2, ''))
      self.assertIn(f'--source_space: {message}', err)
      self.assertLen(err.splitlines(), 1)
      self.assertEmpty(list(self.out.parent.iterdir()))

  @parameterized.parameters(
      ('--tasks=ND,XX', "--tasks: unknown task 'XX'; choose from ND, N1"),
      ('--methods=magic', "--methods: unknown 'magic'; choose from "),
      ('--methods=Problem', "--methods: unknown 'Problem'"),
      ('--methods=flops,flops', '--methods takes distinct values'),
      ('--sampler=magic', "--sampler: unknown 'magic'; choose from"),
      ('--sampler_encoding=costs', '--sampler_encoding: random looks at no'),
      ('--methods=nasflat[size=2]', "--methods: nasflat has no option 'size'"),
      ('--methods=nasflat[predictor=x]', "predictor=x]: predictor: unknown"),
      ('--warm_start=maybe', 'warm_start'),
      ('--predictor=magic', "--predictor: unknown 'magic'; choose from dense_"),
      ('--methods=nasflat[predictor=gcn,device_representation=both]',
       "device_representation: 'both' needs one of dense_graph_flow"),
      ('--methods=nasflat[adapt_steps=x]', 'want a whole number'),
      ('--encoding=magic', "--encoding: unknown 'magic'; choose from costs, n"),
      ('--device_representation=magic', "unknown 'magic'; choose from operat"),
      ('--num_support=5,x', "--num_support takes whole numbers above 0"),
      ('--num_support=0', "--num_support takes whole numbers above 0"),
      ('--num_trials=0', 'num_trials'),
      (f'--pretrained={__file__}', '--pretrained: '),
      ('--out=/nonexistent/rows.json', '--out: /nonexistent/rows.json is'),
      ('--out=', '--out is required'),
      ('--what=1', 'what'),
  )
  def test_wrong_flags_are_one_line_and_exit_code_two(self, flag, message):
    code, out, err = _run(f'--out={self.out}', flag)
    self.assertEqual((code, out), (2, ''))
    self.assertIn(message, err)
    self.assertLen(err.splitlines(), 1)
    self.assertEmpty(list(self.out.parent.iterdir()))

  def test_choices_are_those_of_the_package(self):
    self.assertCountEqual(_axes.ENCODINGS, encodings.__all__)
    for name in _axes.PREDICTORS:
      self.assertIn(name, predictors.__all__)
      methods.nasflat(predictor=name)
    for keyword, names in (
        ('adaptation', _axes.ADAPTATIONS),
        ('device_representation', _axes.DEVICE_REPRESENTATIONS),
        ('encoding', _axes.ENCODINGS),
        ('predictor', _axes.PREDICTORS),
    ):
      with self.assertRaises(ValueError) as caught:
        methods.nasflat(**{keyword: 'magic'})
      listed = str(caught.exception).split('choose from ')[1].split(', ')
      self.assertCountEqual(names, listed)

  def test_help_names_every_flag_without_jax(self):
    code = (
        'import sys; from nasflat_jax.cli import evaluate; '
        "evaluate.run(['nasflat-evaluate', '--help']); "
        "sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True,
        check=False,
    )
    self.assertEqual(done.returncode, 0, done.stderr)
    for flag in ('tasks', 'methods', 'num_source', 'out', 'resume', 'seed'):
      self.assertIn(f'--{flag}=' if flag != 'resume' else flag, done.stdout)


if __name__ == '__main__':
  absltest.main()
