"""Every component keeps its contract, and every check can fail.

One table per kind. A public factory that is missing from its table fails
`CompletenessTest`.
"""

import dataclasses
import inspect

from absl.testing import absltest
from absl.testing import parameterized
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import graphs
from nasflat_jax import methods
from nasflat_jax import predictors
from nasflat_jax import samplers
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import testing
from nasflat_jax import transfer
from nasflat_jax import types

_SPACES = {
    name: getattr(spaces, name)
    for name in spaces.__all__
    if isinstance(getattr(spaces, name), types.SearchSpace)
}

def _proxies(space: types.SearchSpace) -> data.ZeroCostTable:
  """Made-up scores of the networks that `check_encoding` draws."""
  genotype = np.unique(space.random(jax.random.key(0), 6), axis=0)
  scores = np.random.default_rng(0).uniform(size=(len(genotype), 13))
  return data.ZeroCostTable(
      space=space.spec.name, source='made up', proxies=data.PROXIES,
      genotype=genotype, values=scores,
  )


_ENCODINGS = {
    'arch2vec': encodings.arch2vec,
    'cate': encodings.cate,
    'caz': lambda space: encodings.caz(space, table=_proxies(space)),
    'costs': encodings.costs,
    'help_bits': encodings.help_bits,
    'live_costs': encodings.live_costs,
    'live_op_counts': encodings.live_op_counts,
    'none': encodings.none,
    'one_hot': encodings.one_hot,
    'op_counts': encodings.op_counts,
    'placed_costs': encodings.placed_costs,
    'positions': encodings.positions,
    'roofline': encodings.roofline,
    'topology': encodings.topology,
    'total_costs': encodings.total_costs,
    'unified_arch2vec': encodings.unified_arch2vec,
    'unified_cate': encodings.unified_cate,
    'zcp': lambda space: encodings.zcp(space, table=_proxies(space)),
}
# Encodings that need weights of the space.
_LEARNED = ('arch2vec', 'cate', 'caz')
# All encodings on these spaces, and on the others what the rest is made of.
_ENCODED = ('NASBENCH201', 'FBNET', 'OFA')
_EVERYWHERE = ('costs', 'one_hot')
# Of a table of spaces that share all code, in which another one is checked.
_SAME_CODE = ('NDS_AMOEBA', 'NDS_ENAS', 'NDS_NASNET', 'NDS_PNAS')
_SAMPLERS = {
    'cosine': samplers.cosine,
    'd_optimal': samplers.d_optimal,
    'farthest_point': samplers.farthest_point,
    'k_means': samplers.k_means,
    'random': samplers.random,
    'stratified': samplers.stratified,
    'v_optimal': samplers.v_optimal,
}
# (factory, space, encoding, keywords)
_PREDICTORS = {
    'encoding_mlp': (predictors.encoding_mlp, 'FBNET', 'costs', {}),
    'flan': (
        predictors.flan,
        'NASBENCH201',
        'none',
        {'layer': predictors.dense_graph_flow, 'time_steps': 1},
    ),
    'gcn': (predictors.gcn, 'NASBENCH201', 'costs', {}),
    'gcn_ofa': (predictors.gcn, 'OFA', 'none', {'num_layers': 2}),
    'help': (predictors.help, 'NASBENCH201', 'none', {}),
    'help_fbnet': (predictors.help, 'FBNET', 'none', {}),
    'help_ofa': (
        predictors.help, 'OFA', 'none', {'hardware_embedding': False}
    ),
    'multi_predict': (predictors.multi_predict, 'NASBENCH201', 'costs', {}),
    'multi_predict_chain': (predictors.multi_predict, 'FBNET', 'none', {}),
    'nasflat': (predictors.nasflat, 'NASBENCH201', 'costs', {}),
    'nasflat_fbnet': (
        predictors.nasflat,
        'FBNET',
        'none',
        {
            'layer': predictors.dense_graph_flow,
            'hardware_embedding': 'head',
            'message_passing': graphs.jraph_passing,
        },
    ),
    'nasflat_latencies': (
        predictors.nasflat,
        'NASBENCH201',
        'none',
        {
            'layer': predictors.dense_graph_flow,
            'hardware_embedding': 'both',
        },
    ),
    'proxy_mlp': (predictors.proxy_mlp, 'FBNET', 'costs', {}),
}
_NO_DEVICES = (predictors.flan, predictors.proxy_mlp)
_LAYERS = {'dense_graph_flow', 'graph_attention', 'layer_ensemble'}
_SMALL = {
    'predictor': 'dense_graph_flow', 'pretrain_steps': 2, 'adapt_steps': 2,
}
_SMALL_MULTI_PREDICT = {'width': 16, 'max_steps': 2, 'refits': 2}
_METHODS = {
    'across_spaces': (methods.across_spaces, {}),
    'across_spaces_costs': (methods.across_spaces, {'known': 'costs'}),
    'adaproxy': (methods.adaproxy, {}),
    'bayesian': (methods.bayesian, {}),
    'bayesian_alone': (methods.bayesian, {'sources': 'none'}),
    'best_source': (methods.best_source, {}),
    'brp_nas': (methods.brp_nas, {'hidden': 16, 'max_steps': 10}),
    'flops': (methods.flops, {}),
    'fomaml': (methods.fomaml, {'episodes': 2}),
    'hardware_latencies': (
        methods.hardware_latencies, {'num_source': 10, 'epochs': 2},
    ),
    'help': (methods.help, {'episodes': 2, 'num_draws': 2}),
    'linear_sources': (methods.linear_sources, {}),
    'lookup_table': (methods.lookup_table, {}),
    'lookup_table_per_gene': (methods.lookup_table, {'per_gene': True}),
    'maml': (methods.maml, {'episodes': 2}),
    'meta_sgd': (methods.meta_sgd, {'episodes': 2}),
    'multi_predict': (methods.multi_predict, _SMALL_MULTI_PREDICT),
    'multi_predict_latency_vector': (
        methods.multi_predict,
        {**_SMALL_MULTI_PREDICT, 'device': 'latency_vector'},
    ),
    'nasflat': (methods.nasflat, _SMALL),
    'nasflat_encoding_mlp': (
        methods.nasflat, {**_SMALL, 'predictor': 'encoding_mlp'}
    ),
    'nasflat_gcn': (methods.nasflat, {**_SMALL, 'predictor': 'gcn'}),
    'nasflat_latency_vector': (
        methods.nasflat,
        {**_SMALL, 'device_representation': 'latency_vector',
         'adaptation': 'fine_tune'},
    ),
    'reptile': (methods.reptile, {'episodes': 2}),
    'ridge_costs': (methods.ridge_costs, {}),
    'ridge_counts': (methods.ridge_counts, {}),
    'ridge_latencies': (methods.ridge_latencies, {}),
    'ridge_onehot': (methods.ridge_onehot, {}),
}
_TRANSFERS = {
    'fine_tune': transfer.fine_tune,
    'help': transfer.help,
    'maml': transfer.maml,
    'reptile': transfer.reptile,
}
# (factory, references that its predictor reads, keywords)
_META_LEARNERS = {
    'fomaml': (transfer.maml, 0, {'order': 1}),
    'help': (transfer.help, 10, {}),
    'maml': (transfer.maml, 0, {'inner_steps': 3}),
    'meta_sgd': (transfer.maml, 0, {'learned_rates': True}),
    'reptile': (transfer.reptile, 0, {}),
}
_FBNET_ROWS = np.random.default_rng(0).integers(9, size=(40, 22))
# (factory, objectives, keywords); in FBNet, whose moves compile fastest
_SEARCHES = {
    'constrained_evolution': (
        search.constrained_evolution,
        1,
        {'num_children': 8, 'violation': lambda genes: genes[:, 1] - 3.0},
    ),
    'exhaustive': (
        search.exhaustive, 2, {'genotype': _FBNET_ROWS, 'num_children': 12}
    ),
    'nsga2': (search.nsga2, 2, {'num_children': 6}),
    'predictor_guided': (
        search.predictor_guided,
        1,
        {'genotype': _FBNET_ROWS, 'schedule': (2, 4, 2)},
    ),
    'random': (search.random, 3, {'num_children': 6}),
    'regularised_evolution': (
        search.regularised_evolution,
        1,
        {'population_size': 8, 'tournament_size': 3, 'num_children': 4},
    ),
}
_DEVICES = 3


def _linear_predictor() -> types.Predictor:
  """The smallest predictor with a hardware embedding table."""

  def init(key, architectures, devices):
    del devices
    key, table_key = jax.random.split(key)
    width = architectures.genotype.shape[1]
    return {
        'genes': jax.random.normal(key, (width,)),
        'device_embedding': jax.random.normal(table_key, (_DEVICES, 1)),
    }

  def apply(params, architectures, devices, *, key=None):
    del key
    scale = params['device_embedding'][devices.index, 0]
    return scale * (architectures.genotype @ params['genes'])

  return types.Predictor(init, apply)


def _fine_tune(**keywords) -> types.TransferAlgorithm:
  return _TRANSFERS['fine_tune'](
      _linear_predictor(),
      optimizer=optax.adam(1e-2),
      adapt_optimizer=optax.adam(1e-2),
      adapt_steps=2,
      num_sources=_DEVICES - 1,
      **keywords,
  )


class ContractTest(parameterized.TestCase):

  @parameterized.parameters(*(n for n in _SPACES if n not in _SAME_CODE))
  def test_space(self, name):
    testing.check_space(_SPACES[name])

  @parameterized.parameters(*_SAME_CODE)
  def test_space_of_the_same_code(self, name):
    testing.check_space(_SPACES[name])

  @parameterized.parameters(*(
      (name, space)
      for name in _ENCODINGS
      for space in (_SPACES if name in _EVERYWHERE else _ENCODED)
      if space not in _SAME_CODE
  ))
  @pytest.mark.slow
  def test_encoding(self, name, space):
    space = _SPACES[space]
    if name in _LEARNED and space is spaces.OFA:
      with self.assertRaisesRegex(ValueError, "no weights .*'ofa'"):
        _ENCODINGS[name](space)
      return
    if name == 'help_bits' and space is spaces.NASBENCH201:
      with self.assertRaisesRegex(ValueError, 'known: fbnet, ofa'):
        _ENCODINGS[name](space)
      return
    testing.check_encoding(_ENCODINGS[name](space), space, name=name)

  @parameterized.parameters(*_SAMPLERS)
  def test_sampler(self, name):
    num_features = 1 if name == 'stratified' else 4
    testing.check_sampler(
        _SAMPLERS[name], name=name, num_features=num_features
    )

  @parameterized.parameters(*_PREDICTORS)
  def test_predictor(self, name):
    factory, space, encoding, keywords = _PREDICTORS[name]
    space = _SPACES[space]
    reads = keywords.get('hardware_embedding') in ('latency_vector', 'both')
    if factory is predictors.help:  # has no table of devices
      reads = keywords.get('hardware_embedding', True)
    elif factory not in _NO_DEVICES:
      keywords = {**keywords, 'num_devices': _DEVICES}
    testing.check_predictor(
        factory(space.spec, **keywords),
        space,
        num_devices=_DEVICES,
        encode=_ENCODINGS[encoding](space),
        num_references=4 if reads else 0,
        name=name,
    )

  @parameterized.parameters(True, False)
  def test_transfer(self, warm_start):
    testing.check_transfer(
        _fine_tune(warm_start=warm_start),
        spaces.NASBENCH201,
        num_sources=_DEVICES - 1,
        name='fine_tune',
    )

  @parameterized.parameters(*_META_LEARNERS)
  def test_meta_learner(self, name):
    factory, references, keywords = _META_LEARNERS[name]
    # HELP modulates its own network; for the others the smallest will do.
    predictor, rate = _linear_predictor(), 0.01
    if references:
      predictor, rate = predictors.help(spaces.NASBENCH201.spec), 0.1
    testing.check_transfer(
        factory(
            predictor,
            optimizer=optax.adam(1e-2),
            inner_learning_rate=rate,
            **keywords,
        ),
        spaces.NASBENCH201,
        num_sources=_DEVICES - 1,
        episodic=True,
        num_references=references,
        name=name,
    )

  @parameterized.parameters(*_SEARCHES)
  def test_search(self, name):
    factory, num_objectives, keywords = _SEARCHES[name]
    testing.check_search(
        factory(spaces.FBNET, **keywords),
        spaces.FBNET,
        num_objectives=num_objectives,
        name=name,
    )

  @parameterized.parameters(*_METHODS)
  @pytest.mark.slow
  def test_method(self, name):
    factory, keywords = _METHODS[name]
    testing.check_method(factory(**keywords), name=name)


def _makers(module, kind) -> set[str]:
  """Public functions of a module whose return annotation is `kind`."""
  names = set()
  for name in module.__all__:
    member = getattr(module, name)
    if not inspect.isfunction(member):
      continue
    # Text where the module postpones annotations.
    returned = inspect.signature(member).return_annotation
    text = returned if isinstance(returned, str) else returned.__name__
    if text.split('.')[-1] == kind.__name__:
      names.add(name)
  return names


class CompletenessTest(absltest.TestCase):

  def test_spaces(self):
    names = [space.spec.name for space in _SPACES.values()]
    self.assertEqual(spaces.names(), tuple(sorted(names)))
    for space in _SPACES.values():
      self.assertIs(spaces.get(space.spec.name), space)

  def test_encodings_and_samplers(self):
    self.assertEqual(set(encodings.__all__), set(_ENCODINGS))
    self.assertEqual(set(samplers.__all__), set(_SAMPLERS))

  def test_predictors(self):
    factories = {row[0].__name__ for row in _PREDICTORS.values()}
    self.assertEqual(_makers(predictors, types.Predictor), factories)
    layers = {
        name
        for name in predictors.__all__
        if isinstance(getattr(predictors, name), type)
        and issubclass(getattr(predictors, name), nn.Module)
    }
    self.assertEqual(layers, _LAYERS)

  def test_methods(self):
    factories = {row[0].__name__ for row in _METHODS.values()}
    self.assertEqual(_makers(methods, methods.Method), factories)

  def test_searches(self):
    factories = {row[0].__name__ for row in _SEARCHES.values()}
    self.assertEqual(_makers(search, search.SearchAlgorithm), factories)

  def test_transfers(self):
    self.assertEqual(
        _makers(transfer, types.TransferAlgorithm), set(_TRANSFERS)
    )
    meta_learners = {row[0].__name__ for row in _META_LEARNERS.values()}
    self.assertEqual(meta_learners | {'fine_tune'}, set(_TRANSFERS))

  def test_every_check_is_used_here(self):
    source = inspect.getsource(ContractTest)
    for name in testing.__all__:
      self.assertIn(f'testing.{name}(', source)


def _space_with(**fields):
  return spaces.NASBENCH201._replace(**fields)


_BASE = spaces.NASBENCH201
_BROKEN_SPACES = {
    'one gene': (
        {'mutate': lambda key, genotype: (genotype + 1) % 5}, 'one gene'
    ),
    'key': (
        {'random': lambda key, n: _BASE.random(jax.random.key(0), n)},
        'random ignores its key',
    ),
    'dtype': (
        {'random': lambda key, n: _BASE.random(key, n).astype(jnp.float32)},
        'random must be',
    ),
    'parents': (
        {'crossover': lambda key, a, b: _BASE.random(key, a.shape[0])},
        'neither parent',
    ),
    'rows': (
        {
            'decode': lambda genotype: dataclasses.replace(
                _BASE.decode(genotype), ops=_BASE.decode(genotype).ops[::-1]
            )
        },
        'depends on the other rows',
    ),
    'mask': (
        {
            'decode': lambda genotype: dataclasses.replace(
                _BASE.decode(genotype),
                node_mask=~_BASE.decode(genotype).node_mask,
            )
        },
        'unused node is live',
    ),
    'costs': (
        {
            'costs': lambda genotype: jax.tree.map(
                lambda x: x * (1.01 if isinstance(x, jax.Array) else 1.0),
                _BASE.costs(genotype),
            )
        },
        'differs from float64',
    ),
    'strings': (
        {'to_string': lambda genotype: _BASE.to_string(genotype)[::-1]},
        'is not x',
    ),
    'errors': (
        {
            'from_string': lambda strings: _BASE.from_string(
                [s if '~' in s else _BASE.to_string([[1] * 6])[0]
                 for s in strings]
            )
        },
        'accepts any string',
    ),
    'numbers': ({'from_index': None}, 'come together'),
    'operators': (
        {
            'spec': dataclasses.replace(
                _BASE.spec, operators=_BASE.spec.operators[1:]
            )
        },
        'one for each of op_names',
    ),
    'spec': (
        {'spec': dataclasses.replace(_BASE.spec, edges=((1, 0),))},
        'sender < receiver',
    ),
}


class BrokenSpaceTest(parameterized.TestCase):

  @parameterized.parameters(*_BROKEN_SPACES)
  def test_fails(self, case):
    fields, message = _BROKEN_SPACES[case]
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_space(_space_with(**fields), name='mine')


def _predictor_with(apply=None, init=None) -> types.Predictor:
  good = _linear_predictor()
  return types.Predictor(init or good.init, apply or good.apply)


def _good(params, architectures, devices, key=None):
  return _linear_predictor().apply(params, architectures, devices, key=key)


_BROKEN_PREDICTORS = {
    'shape': (
        {'apply': lambda p, a, d, *, key=None: _good(p, a, d)[:, None]},
        'scores must be',
    ),
    'rows': (
        {'apply': lambda p, a, d, *, key=None: (
            _good(p, a, d) - _good(p, a, d).mean())},
        'depends on the other rows',
    ),
    'finite': (
        {'apply': lambda p, a, d, *, key=None: _good(p, a, d) / 0.0},
        'not finite',
    ),
    'gradient': (
        {'apply': lambda p, a, d, *, key=None: _good(p, a, d) + jnp.sqrt(
            jnp.sum(p['genes']) * 0.0)},
        'gradient.* not finite',
    ),
    'detached': (
        {'apply': lambda p, a, d, *, key=None: _good(
            jax.lax.stop_gradient(p), a, d)},
        'gradient of the parameters is zero',
    ),
    'constant': (
        {'apply': lambda p, a, d, *, key=None: (
            0.0 * _good(p, a, d) + p['genes'][0])},
        'same score',
    ),
    'init key': (
        {'init': lambda key, a, d: _linear_predictor().init(
            jax.random.key(0), a, d)},
        'init ignores its key',
    ),
}


class BrokenPredictorTest(parameterized.TestCase):

  def test_the_unbroken_one_passes(self):
    testing.check_predictor(
        _linear_predictor(), spaces.NASBENCH201, num_devices=_DEVICES
    )

  @parameterized.parameters(*_BROKEN_PREDICTORS)
  def test_fails(self, case):
    fields, message = _BROKEN_PREDICTORS[case]
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_predictor(
          _predictor_with(**fields),
          spaces.NASBENCH201,
          num_devices=_DEVICES,
          name='mine',
      )


def _first_rows(key, features, *, num_samples, where=None):
  del key
  where = jnp.ones(len(features), bool) if where is None else where
  return jnp.argsort(~where)[:num_samples].astype(jnp.int32)


_BROKEN_SAMPLERS = {
    'distinct': (
        lambda key, features, *, num_samples, where=None: jnp.ones(
            num_samples, jnp.int32
        ),
        'a row twice',
    ),
    'where': (
        lambda key, features, *, num_samples, where=None: samplers.random(
            key, features, num_samples=num_samples
        ),
        'outside `where`',
    ),
    'dtype': (
        lambda key, features, *, num_samples, where=None: samplers.random(
            key, features, num_samples=num_samples, where=where
        ).astype(jnp.float32),
        'chosen rows must be',
    ),
    'too many': (_first_rows, 'must raise ValueError'),
}


class BrokenSamplerTest(parameterized.TestCase):

  @parameterized.parameters(*_BROKEN_SAMPLERS)
  def test_fails(self, case):
    sampler, message = _BROKEN_SAMPLERS[case]
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_sampler(sampler, name='mine')


class BrokenEncodingTest(parameterized.TestCase):

  @parameterized.parameters(
      (lambda g: g, 'the encoding must be'),
      (lambda g: g - g.mean(axis=0), 'depends on the other rows'),
      (lambda g: g / 0.0, 'not finite'),
      (lambda g: np.float32(1.0) * g[0], r'\[B, F\] expected'),
  )
  def test_fails(self, encode, message):
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_encoding(encode, spaces.FBNET, name='mine')


def _step_with(change):
  good = _fine_tune()

  def step(key, state, source):
    return change(*good.step(key, state, source), source)

  return good._replace(step=step)


_BROKEN_TRANSFERS = {
    'count': (
        lambda: _step_with(
            lambda state, info, source: (
                state._replace(step=state.step + 1), info
            )
        ),
        'count by one',
    ),
    'structure': (
        lambda: _step_with(
            lambda state, info, source: (
                state._replace(step=state.step.astype(jnp.float32)), info
            )
        ),
        'structure of its state',
    ),
    # A Python 0 leaves `jit` weakly typed, a cast count does not: the second
    # step sees another type.
    'trace': (
        lambda: _step_with(
            lambda state, info, source: (
                state._replace(step=state.step.astype(jnp.int32)), info
            )
        )._replace(
            init=lambda key, source: _fine_tune()
            .init(key, source)
            ._replace(step=0)
        ),
        'step is traced again',
    ),
    'padding': (
        lambda: _step_with(
            lambda state, info, source: (
                state._replace(
                    meta_params=jax.tree.map(
                        lambda x: x + source.label.sum(), state.meta_params
                    )
                ),
                info,
            )
        ),
        'padding rows',
    ),
    'info': (
        lambda: _step_with(
            lambda state, info, source: (
                state, info._replace(loss=info.loss * jnp.nan)
            )
        ),
        'loss.* not finite',
    ),
    'adapt': (
        lambda: _fine_tune()._replace(
            adapt=lambda key, meta_params, support: meta_params
        ),
        'ignores the support',
    ),
}


class BrokenTransferTest(parameterized.TestCase):

  @parameterized.parameters(*_BROKEN_TRANSFERS)
  def test_fails(self, case):
    make, message = _BROKEN_TRANSFERS[case]
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_transfer(
          make(),
          spaces.NASBENCH201,
          num_sources=_DEVICES - 1,
          name='mine',
      )


def _method_with(change=None, **fields):
  good = methods.ridge_counts()

  def predict(keys, problem, state, support):
    return change(good.predict(keys, problem, state, support), problem)

  if change is not None:
    fields['predict'] = predict
  return good._replace(**fields)


def _scaled(scores, problem):
  """Divides by the mean over pairs: a pair sees the others."""
  del problem
  return scores._replace(scores=scores.scores / scores.scores.mean())


def _vandal(scores, problem):
  problem.source_latency_ms[:] = 0.0
  return scores


_RNG = np.random.default_rng(0)
_BROKEN_METHODS = {
    'pairs': (lambda: _method_with(_scaled), 'depends on the other pairs'),
    'inputs': (lambda: _method_with(_vandal), 'changes the problem'),
    'shape': (
        lambda: _method_with(lambda s, _: s._replace(scores=s.scores[0])),
        r'scores must be \[T, N\]',
    ),
    'chance': (
        lambda: _method_with(
            lambda s, _: s._replace(scores=s.scores + _RNG.normal())
        ),
        'one key, two results',
    ),
    'interval': (
        lambda: _method_with(
            lambda s, _: s._replace(lower_ms=s.scores, upper_ms=s.scores - 1)
        ),
        'ends before it starts',
    ),
    'budget': (
        lambda: _method_with(budget=lambda problem, n: types.Budget(0, 0, 0)),
        'must count 8 support rows',
    ),
    'references': (
        lambda: _method_with(reads_references=True),
        'must count 6 references, got 0',
    ),
    'unpaid': (
        lambda: methods.best_source()._replace(
            budget=methods.linear_sources().budget
        ),
        'a source row beyond the budget',
    ),
}


_RANDOM = search.random(spaces.FBNET, num_children=6)
_BROKEN_SEARCHES = {
    'invalid': (
        {'ask': lambda key, state: (jnp.full((6, 22), 9), state)},
        'ask gives an invalid genotype',
    ),
    'size': (
        {'ask': lambda key, state: (jnp.zeros((6, 21), jnp.int32), state)},
        'children must be',
    ),
    'state': (
        {'tell': lambda key, state, genotype, scores: (genotype, None)},
        'tell changes the structure',
    ),
    'count': (
        {
            'tell': lambda key, state, genotype, scores: (
                state,
                search.SearchInfo(
                    jnp.zeros((), jnp.int32),
                    jnp.zeros((), jnp.int32),
                    jnp.zeros(1),
                ),
            )
        },
        'info must count',
    ),
}


class BrokenSearchTest(parameterized.TestCase):

  @parameterized.parameters(*_BROKEN_SEARCHES)
  def test_fails(self, case):
    fields, message = _BROKEN_SEARCHES[case]
    with self.assertRaisesRegex(AssertionError, f'mine: .*{message}'):
      testing.check_search(
          _RANDOM._replace(**fields), spaces.FBNET, name='mine'
      )


class BrokenMethodTest(parameterized.TestCase):

  @parameterized.parameters(*_BROKEN_METHODS)
  def test_fails(self, case):
    make, message = _BROKEN_METHODS[case]
    with self.assertRaisesRegex(AssertionError, f'(?s)^mine: .*{message}'):
      testing.check_method(make(), name='mine')


if __name__ == '__main__':
  absltest.main()
