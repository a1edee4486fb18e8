"""A proxy's model adapted to a target, by several methods, same draws."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer

TABLE = 'oneproxy_nasbench201'
PROXY = 'true_vpu'
# Measurements and draws: many measurements vary less and cost more.
TRIALS = {5: 20, 10: 20, 20: 20, 40: 10, 70: 10}
SIZES = tuple(TRIALS)


def _judge(scores: np.ndarray, latency_ms: np.ndarray, support: np.ndarray):
  """Spearman of every draw over the architectures it did not measure."""
  figures = []
  for row, ids in zip(np.broadcast_to(scores, (len(support), scores.shape[-1])),
                      support):
    judged = np.isfinite(latency_ms)
    judged[ids] = False
    figures.append(stats.spearmanr(row[judged], latency_ms[judged]).statistic)
  return np.array(figures)


def _bayesian(model, genotype, support, support_ms):
  adapted = transfer.adapt_bayesian(model, genotype[support], support_ms)
  return np.asarray(adapted.predict(genotype).latency_ms)


def _other_sources(table: data.LatencyTable, target: str) -> np.ndarray:
  """Rows of all devices but the target and the copy that it may have."""
  copies = {n for pair in data.NEAR_DUPLICATES if target in pair for n in pair}
  names = [n for n in table.device_names if n != target and n not in copies]
  return table.select(names).values


def run(rows: list[dict], keep) -> None:
  """Adds a row for each target, number of measurements and method.

  Args:
    rows: what an earlier run has done; those targets are left out.
    keep: called with the number of targets done and of all after each.
  """
  table = data.load(TABLE)
  space = spaces.get(table.space)
  genotype, num_ops = table.genotype, len(space.spec.gene_names)
  hot = predictors.one_hot(genotype, num_ops)
  counts = predictors.op_counts(genotype, num_ops)
  proxy_ms = table.row(PROXY)
  proxy = predictors.fit_proxy(genotype, proxy_ms, num_ops)
  used = proxy.weights > 0.0
  columns = (hot * proxy.weights)[:, used]
  paths = {
      norm: jax.jit(jax.vmap(
          lambda x, y, norm=norm: predictors.adaproxy_path(x, y, norm=norm)
      ))
      for norm in predictors.ADAPROXY_NORMS
  }
  alone = transfer.bayesian_model(space)
  with_proxy = transfer.bayesian_model(
      space, transfer.fit_sources(space, genotype, proxy_ms[None])
  )
  targets = [name for name in table.device_names if name != PROXY]
  for done, target in enumerate(targets):
    keep(done, len(targets))
    if target in {row['target'] for row in rows}:
      continue
    added = []
    latency_ms = table.row(target)
    measured = np.flatnonzero(np.isfinite(latency_ms))
    with_all = transfer.bayesian_model(
        space,
        transfer.fit_sources(space, genotype, _other_sources(table, target)),
    )
    for num, num_trials in TRIALS.items():
      support = np.stack([
          np.random.default_rng(trial).choice(measured, num, replace=False)
          for trial in range(num_trials)
      ])
      support_ms = latency_ms[support]
      scores = {'proxy as measured': proxy_ms}
      scores['proxy, linear model'] = predictors.predict_linear(proxy, hot)
      models = [
          predictors.fit_adaproxy(proxy, hot[ids], ms)
          for ids, ms in zip(support, support_ms)
      ]
      scores['AdaProxy, p = 2, leave-one-out'] = np.stack(
          [predictors.predict_linear(model, hot) for model in models]
      )
      for norm, path in paths.items():
        fit = path(
            jnp.asarray(columns[support], jnp.float32),
            jnp.asarray(support_ms, jnp.float32),
        )
        weights = np.asarray(fit.scale[:, None] + fit.change, np.float64)
        scores[f'AdaProxy, p = {norm}'] = weights @ columns.T
      for name, features in (('op counts', counts), ('one-hot', hot)):
        model = predictors.fit_ridge(features[support], support_ms)
        scores[f'{name}, ridge'] = predictors.predict_linear(model, features)
      for name, model in (
          ('no source', alone),
          ('the proxy as source', with_proxy),
          ('all other devices as sources', with_all),
      ):
        scores[f'bayesian, {name}'] = _bayesian(
            model, genotype, support, support_ms
        )
      added += [
          {
              'target': target,
              'num_support': num,
              'method': method,
              'spearman': _judge(value, latency_ms, support).round(5).tolist(),
          }
          for method, value in scores.items()
      ]
    rows += added
  keep(len(targets), len(targets))


def summarise(rows: list[dict]) -> dict:
  """Mean over targets and draws, spread over draws, paired differences."""
  methods = list(dict.fromkeys(row['method'] for row in rows))
  values = {
      (row['method'], row['num_support'], row['target']): row['spearman']
      for row in rows
  }
  targets = list(dict.fromkeys(row['target'] for row in rows))
  table = {}
  for method, num in itertools.product(methods, SIZES):
    block = np.array([values[method, num, target] for target in targets])
    table.setdefault(method, {})[num] = (block.mean(), block.mean(axis=0).std())
  rivals = [m for m in methods if m.startswith('AdaProxy')]
  paired = {}
  for method, rival, num in itertools.product(
      [m for m in methods if m.startswith('bayesian')], rivals, SIZES
  ):
    block = np.array([
        np.array(values[method, num, t]) - values[rival, num, t]
        for t in targets
    ])
    by_draw, by_target = block.mean(axis=0), block.mean(axis=1)
    paired.setdefault((method, rival), {})[num] = {
        'mean': by_draw.mean(),
        'standard_error': by_draw.std(ddof=1) / np.sqrt(len(by_draw)),
        'targets_lost': [
            t for t, value in zip(targets, by_target) if value < 0.0
        ],
        'least': by_target.min(),
    }
  return {'table': table, 'paired': paired, 'targets': targets}
