"""Searches NAS-Bench-201 under latency budgets on real devices.

    NASFLAT_MIRROR=... python benchmarks/search_table.py
    NASFLAT_MIRROR=... python benchmarks/search_table.py --sets=development \
        --seeds=5 --num_support=2,3,4 --out=search_development.json.gz

Latencies and CIFAR-100 accuracies are measured ones, so that the best network
within each budget is known. A search sees the accuracies of the candidates
(`--signals`: the test accuracy, as HELP and NASFLAT choose by it, or the
validation accuracy, with the test accuracy judged) and the latencies that it
measures. Interrupted, it goes on where it was. Writes `results/search_table
.json.gz`; `search_page.py` makes the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import functools
import gzip
import itertools
import json
import os
import pathlib
import sys
import time
from typing import Any

import jax
import numpy as np
from search_study import problems
from search_study import rivals
from zero_cost_study import records

from nasflat_jax import data
from nasflat_jax import reports
from nasflat_jax import search

_TASK = 'cifar100'
_SIZES = (5, 10, 20)
_CANDIDATES = ('whole', 'metad2a')
_SIGNALS = ('test', 'validation')


def setting(
    table: data.LatencyTable, name: str, signal: str
) -> dict[str, np.ndarray]:
  """Rows of the table that may be chosen, and their accuracies.

  MetaD2A's candidates are rows of the table too, so that a network is the same
  number everywhere.
  """
  accuracies = data.load_accuracy('nasbench201').join(table.genotype)
  where = np.ones(table.num_architectures, bool)
  score = np.full(table.num_architectures, -np.inf)
  if name == 'metad2a':
    listed = data.load_accuracy('metad2a_nasbench201').join(table.genotype)
    score = listed.row(_TASK, 'metad2a_score')
    where = np.isfinite(score)
  return {
      'seen': accuracies.row(_TASK, signal),
      'judged': accuracies.row(_TASK, 'test'),
      'where': where,
      'score': score,
  }


def search_all(
    candidates: search.Candidates,
    latency_ms: np.ndarray,
    budget_ms: float,
    seeds: range,
    num_support: int,
    choices: dict[str, float],
) -> list[search.UnderBudget]:
  """Our search for every seed, with 20 measurements.

  A seed draws the designed measurements and nothing else: seeds that begin
  alike go on alike, and are run once.
  """
  measure = search.table_device(candidates.genotype, latency_ms)
  search_with = functools.partial(
      search.under_budget, candidates=candidates, measure=measure,
      budget_ms=budget_ms, num_support=num_support, **choices,
  )
  found: dict[bytes, search.UnderBudget] = {}
  runs = []
  for seed in seeds:
    key = jax.random.key(seed)
    design = search_with(key, num_measurements=num_support).rows.tobytes()
    if design not in found:
      found[design] = search_with(key, num_measurements=_SIZES[-1])
    runs.append(found[design])
  return runs


def answers_at(
    found: search.UnderBudget, num: int
) -> tuple[rivals.Answer, int]:
  """A search's answer and measurements had it been given `num`."""
  used = min(num, len(found.rows))
  row = int(found.answers[used - 1])
  if row < 0 and num >= len(found.rows):
    return rivals.Answer(found.row, False), used
  return rivals.Answer(row, row >= 0), used


def cell(
    answers: list[rivals.Answer],
    used: list[int],
    judged: np.ndarray,
    latency_ms: np.ndarray,
) -> dict[str, list]:
  """What is kept of one method on one problem: a value for each seed."""
  rows = [answer.row for answer in answers]
  return {
      'row': rows,
      'accuracy': [float(judged[r]) if r >= 0 else None for r in rows],
      'latency_ms': [float(latency_ms[r]) if r >= 0 else None for r in rows],
      'verified': [answer.measured for answer in answers],
      'used': used,
  }


def device_cells(
    table: data.LatencyTable,
    device: str,
    budgets: list[problems.Budget],
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
  """Everything about one device."""
  model = problems.model(table, device)
  latency_ms = table.row(device)
  seeds = range(options.seeds)
  flops = np.asarray(problems.SPACE.costs(table.genotype).flops, np.float64)
  for name in options.candidates:
    for signal in options.signals:
      have = setting(table, name, signal)
      where = have['where'] & np.isfinite(latency_ms)
      candidates = search.candidates(
          model, table.genotype, have['seen'], where=where
      )
      own_ms = np.where(where, latency_ms, np.nan)
      adapted = {} if options.ours_only else {
          num: rivals.adapt(candidates, latency_ms, num, seeds)
          for num in _SIZES
      }
      for budget in budgets:
        best = rivals.oracle(have['judged'], own_ms, budget.ms)
        anywhere = rivals.oracle(have['judged'], latency_ms, budget.ms)
        common = {
            'group': budget.group, 'device': device, 'budget': budget.name,
            'budget_ms': budget.ms, 'candidates': name, 'signal': signal,
            'best': None if best < 0 else float(have['judged'][best]),
            'best_ms': None if best < 0 else float(latency_ms[best]),
            'best_of_space': float(have['judged'][anywhere]),
        }
        for num_support, caution, alike, surprise in itertools.product(
            options.num_support, options.caution, options.alike,
            options.surprise,
        ):
          found = search_all(
              candidates, latency_ms, budget.ms, seeds, num_support,
              {'caution': caution, 'alike': alike, 'surprise': surprise},
          )
          for num in _SIZES:
            pairs = [answers_at(one, num) for one in found]
            yield common | {
                'method': 'ours', 'num_support': num_support,
                'caution': caution, 'alike': alike, 'surprise': surprise,
                'num': num,
                'certain': [
                    one.certain and len(one.rows) <= num for one in found
                ],
            } | cell(
                [a for a, _ in pairs], [used for _, used in pairs],
                have['judged'], latency_ms,
            )
        if options.ours_only:
          continue
        for num in _SIZES:
          for method, answers in _rivals(
              candidates, adapted[num], have, own_ms, flops, budget.ms, num,
              seeds, with_walk=name == 'metad2a',
          ):
            yield common | {'method': method, 'num': num} | cell(
                answers, [num] * len(answers), have['judged'], latency_ms
            )


def _rivals(candidates, adapted, have, own_ms, flops, budget_ms, num, seeds,
            with_walk):  # fmt: skip
  seen = have['seen']

  def rng(seed):
    return np.random.default_rng((seed, num))

  yield 'unverified', rivals.unverified(candidates, adapted, budget_ms)
  if with_walk:
    yield 'help_rule', rivals.help_rule(
        candidates, adapted, have['score'], budget_ms
    )
  yield 'random', [
      rivals.random_search(rng(s), seen, own_ms, budget_ms, num) for s in seeds
  ]
  yield 'flops', [
      rivals.flops_calibrated(rng(s), flops, seen, own_ms, budget_ms, num)
      for s in seeds
  ]
  yield 'flops_verified', [
      rivals.flops_verified(rng(s), flops, seen, own_ms, budget_ms, num)
      for s in seeds
  ]


def _resumed(path: pathlib.Path, settings: dict) -> list[dict[str, Any]]:
  """Records of devices that an interrupted run has finished."""
  if not path.is_file():
    return []
  head, *lines = path.read_text(encoding='utf-8').splitlines()
  if json.loads(head) != settings:
    return []
  return [json.loads(line) for line in lines]


def _parsed(argv: list[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])

  def names(known):
    def parse(text):
      wanted = text.split(',')
      unknown = [name for name in wanted if name not in known]
      if unknown:
        raise argparse.ArgumentTypeError(
            f'unknown {", ".join(unknown)}; choose from {", ".join(known)}'
        )
      return wanted
    return parse

  parser.add_argument(
      '--sets', type=names(problems.SETS),
      default=['help', 'nasflat', 'percentile'],
  )
  parser.add_argument(
      '--candidates', type=names(_CANDIDATES), default=list(_CANDIDATES)
  )
  parser.add_argument(
      '--signals', type=names(_SIGNALS), default=list(_SIGNALS)
  )
  parser.add_argument('--devices', default='', help='only these')
  parser.add_argument('--seeds', type=int, default=20)
  defaults = search.under_budget.__kwdefaults__
  parser.add_argument(
      '--num_support', default=[defaults['num_support']],
      type=lambda text: [int(part) for part in text.split(',')],
  )
  for name in ('caution', 'alike', 'surprise'):
    parser.add_argument(
        f'--{name}', default=[defaults[name]],
        type=lambda text: [float(part) for part in text.split(',')],
    )
  parser.add_argument('--ours_only', action='store_true')
  parser.add_argument('--out', default='search_table.json.gz')
  return parser.parse_args(argv)


def main() -> None:
  """Computes and writes."""
  options = _parsed(None)
  out = records.RESULTS / options.out
  partial = out.with_name(f'.{out.name}.partial')
  settings = {
      k: v for k, v in vars(options).items() if k not in ('out', 'devices')
  }
  table = problems.load()
  todo: dict[str, list[problems.Budget]] = {}
  for group in options.sets:
    for budget in problems.budgets(table, group):
      todo.setdefault(budget.device, []).append(budget)
  if options.devices:
    todo = {d: todo[d] for d in options.devices.split(',')}
  done = _resumed(partial, settings)
  if not done:
    partial.write_text(json.dumps(settings) + '\n', encoding='utf-8')
  start = time.perf_counter()
  for number, (device, budgets) in enumerate(todo.items(), 1):
    if any(record['device'] == device for record in done):
      continue
    cells = list(device_cells(table, device, budgets, options))
    record = {
        'device': device,
        'sources': problems.source_names(table, device),
        'cells': records.finite(cells),
    }
    done.append(record)
    with partial.open('a', encoding='utf-8') as file:
      file.write(json.dumps(record) + '\n')
    print(
        f'{number}/{len(todo)} {device}: {time.perf_counter() - start:.0f} s',
        file=sys.stderr, flush=True,
    )
  record = records.header('search_table', options) | {
      'command': records.command(options),
      'fingerprint': data.fingerprint(table),
      'devices': done,
  }
  text = json.dumps(record, separators=(',', ':')) + '\n'
  with reports.atomic_path(out) as path:
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
  os.unlink(partial)
  print(f'wrote {out.name}')


if __name__ == '__main__':
  main()
