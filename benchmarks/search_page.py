"""Makes the page of searches under a latency budget from the results.

    NASFLAT_MIRROR=... python benchmarks/search_page.py

Reads `results/search_*.json(.gz)`, which the commands on the page write, and
the tables for the true Pareto fronts.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
from search_study import markdown
from search_study import pictures
from search_study import problems
from search_study import published
from search_study import rivals
from search_study import summary
from zero_cost_study import records

from nasflat_jax import data

_TABLES = (
    'search_table.json.gz', 'search_table_metad2a.json.gz',
    'search_table_validation.json.gz', 'search_table_nasflat.json.gz',
)
# Our search run again: its cells stand for those of the tables above, whose
# other methods have not changed.
_AGAIN = 'search_ours_*.json.gz'
_DEVELOPMENT = 'search_development.json.gz'
_FURTHER = 'search_development_alike.json.gz'
_OTHERS = (
    'search_timing.json', 'search_spaces.json', 'search_targets.json',
    'search_limits.json',
)
_EARLIER = (
    'Made by an earlier version of the search: without what alike networks'
    ' share, without surprises, and with a stop where every better network held'
    ' the budget with less than 0.1 %.'
)

_INTRO = """\
# Search under a latency budget

The most accurate network of NAS-Bench-201 (CIFAR-100) within a budget in
milliseconds, on a device that is measured 5, 10 or 20 times. Accuracies and
latencies are measured ones, so the best network within every budget is known:
**regret** is how many accuracy points the answer lies below it. One call,
`search.under_budget`: one designed measurement, then each goes to the network
with the largest (gain in accuracy) x P(latency <= budget)^2, and the answer is
the best one *measured* within the budget. P knows that networks which differ in
a gene or two share most of what features leave unexplained, and that two
measurements in a hundred have nothing to do with the network. All measurements
are spent, unless every better network was measured. Those that verify finalists
are therefore among the 5, 10 or 20, and there are no others: no reference
networks, no scaling by a pool.

* Sources: HELP's nine meta-training devices, 900 networks of each, without
  those of the target's own processor (`GTX 1080 Ti` for Eagle's GPU, `pixel3`
  for `pixel3`). Nothing of the target is seen but what is measured.
* Eagle's Core i7 is very likely its GTX 1080 Ti once more and is left out. Of
  HW-NAS-Bench's Edge TPU the 4,699 networks that do not compile are left out,
  which needs no device, and so are the few hundred that Eagle's tables lack.
* Budgets: HELP's fifteen; the 30th, 50th and 70th percentile of the latency of
  each Eagle and HW-NAS-Bench device; the latencies of NASFLAT's points.
* A seed changes the candidates and ties of the first measurement; with
  MetaD2A's 500 all seeds go the same way. A run of 5 or 10 measurements is the
  beginning of the one of 20 (a test checks it). The spread is that of the mean
  over the seeds. {seeds}
* The search sees the test accuracy, as HELP and NASFLAT choose by it; what
  changes when it sees the validation accuracy has a section of its own.
* An answer that was not measured, or that breaks the budget, counts as chance
  (1 %) in the regret.
* Design choices were made on devices that are a target neither here nor in the
  twelve tasks, see the end.
"""


def page(
    heads: list[dict],
    cells: list[summary.Cell],
    others: dict[str, Any],
    explained: dict[tuple[str, float], float],
    development: list[summary.Cell],
    further: list[summary.Cell],
) -> str:
  """The page as Markdown."""
  lines = [_INTRO.format(seeds=_seeds(heads)), '## Bars', '']
  lines += [
      'Wanted: mean regret at most 0.6 with 10 and 0.3 with 20 measurements,'
      ' budget kept in at least 95 % of the runs. "Found the best": runs that'
      ' answered with the best feasible candidate itself.', '',
      *markdown.bars(cells, 'test'), '',
      '## Beside simpler searches', '',
      'The same measurements, without the problems of pixel2. "Gap": points'
      ' below the best feasible network, in the runs that keep the budget;'
      ' "kept": their share. *Unverified*: all measurements go to a design, the'
      ' answer is the most accurate network with P(latency <= budget) >= 0.95.'
      ' *FLOPs, calibrated*: a line through n random measurements. *Half'
      ' verified*: the other half measures the best that the line predicts. The'
      ' oracle has gap 0 and keeps all.', '',
      '### Whole space', '', *markdown.methods(cells, 'whole'), '',
      '![Gap and budgets kept](search_progress.png)', '',
      "### MetaD2A's candidates", '',
      "*HELP's rule*: of the first three candidates, by MetaD2A's score, that"
      ' are predicted to fit, the most accurate one.', '',
      *markdown.methods(cells, 'metad2a'), '',
      '## HELP\'s constraints', '',
      "HELP's figures are published ones (ten measurements and ten reference"
      " measurements, MetaD2A's candidates). \"At least HELP\": share of runs"
      ' with ten measurements that keep the budget and reach the published'
      ' accuracy, which has one digit. For three constraints no network of the'
      ' space does.', '',
      '### Whole space', '', *markdown.help_table(cells, 'whole'), '',
      "### MetaD2A's candidates", '',
      *markdown.help_table(cells, 'metad2a'), '',
      '## NASFLAT\'s points', '',
      'NASFLAT\'s points are read off its figure (20 measurements); the budget'
      ' here is their latency and half of its last digit, 0.05 ms.'
      ' They are means over five repeats, so some lie above the front of single'
      ' networks.', '',
      *_note(heads, 'nasflat', 'test'), *markdown.nasflat_table(cells), '',
      '## Eagle and HW-NAS-Bench', '',
      'A *fluke* is a network measured at less than two thirds of what a'
      ' regression on costs and genotype, fitted to all rows of the device,'
      ' says. On the Snapdragon tables the best feasible network often is one:'
      ' values jump by a factor of about two between networks that ought to be'
      ' alike, which no few measurements foretell. The regret without flukes'
      ' tells how far the search itself falls short; it is no bar, and a run'
      ' that finds a fluke counts 0 there.', '',
      *markdown.device_table(cells, explained), '',
      *_limits(others),
      '## Pareto pictures', '',
      '![Pareto fronts](search_pareto.png)', '',
      'Whole space, 20 measurements, a dot for every seed and budget.', '',
      '## Choosing by validation accuracy', '',
      'The search sees the validation accuracy; the test accuracy is judged'
      ' against the best feasible one. What remains is the difference between'
      ' the two accuracies.', '', *_note(heads, 'help', 'validation'),
      *markdown.bars(cells, 'validation'), '',
  ]
  if 'search_timing.json' in others:
    cost = ', '.join(f'{k} {v:g}' for k, v in published.COST.items())
    lines += [
        '## Seconds', '',
        *_note([others['search_timing.json']]),
        'After measuring, with the early stop turned off,'
        f' {others["search_timing.json"]["settings"]["repeats"]} runs on device'
        f' `{others["search_timing.json"]["device"]}`; compiling and encoding'
        ' happen once for all budgets and seeds of a device. Wanted: under 5 s.'
        f' The constants in NASFLAT\'s plotting script are {cost} without a'
        ' unit; they were not measured here and are of other machines.', '',
        *markdown.timing(others['search_timing.json']), '',
    ]
  if 'search_spaces.json' in others:
    lines += [
        '## FBNet and Once-for-All', '',
        'The same call with a training-free score to maximise; no accuracy is'
        ' claimed, for no label of these networks is public here. "Score /'
        ' best": relative to the best feasible of the 5,000. FBNet\'s `fpga`,'
        ' `raspi4` and `eyeriss` are sums of a table per layer.', '',
        *_note([others['search_spaces.json']]),
        *markdown.spaces(others['search_spaces.json']), '',
    ]
  if 'search_targets.json' in others:
    lines += [
        '## n targets', '',
        'On paper, in measurements, with M for a full search and k for a few:'
        ' a search for each device M n; OneProxy M + k n; ours S M + k n with S'
        ' source devices that are measured already (nothing where there are'
        ' none), k = 10 with sources, 20 without. OneProxy\'s own table of'
        ' machine hours, with c_T, c_A and c_L for training, an accuracy and a'
        ' latency predictor: MNasNet 6912 n; FBNet 216 n; ProxylessNAS'
        ' (200 + c_L) n; NetAdapt c_T + (c_A + c_L) n; APQ 2400 + c_A + c_L n;'
        ' ChamNet c_T + c_A + c_L n; Once-for-All 1200 + c_A + c_L n. OneProxy'
        ' takes the n out of c_L where devices are monotone; ours leaves c_L'
        ' out and k measurements in.', '',
        'Measured on the 40 devices of the joined table, each in turn at its'
        ' median latency, sources and proxy of another family; compiling is'
        ' left out of the seconds. "Once" is not spent where the sources are'
        ' measured already, as in public tables.', '',
        *_note([others['search_targets.json']]),
        *markdown.targets(others['search_targets.json']), '',
        '![Cost of n targets](search_targets.png)', '',
    ]
  if development:
    names, further_names = (
        ', '.join(sorted({cell['device'] for cell in part}))
        for part in (development, further)
    )
    lines += [
        '## Choices', '',
        f'Made on {names}, at the 10th, 30th, 50th and 70th percentile,'
        ' 3 seeds: one designed measurement and caution 2. (An earlier version,'
        ' with caution 1 and a stop at 1 %, had been run on the table first:'
        ' regret 0.84 and 0.61 at 10 and 20 on Eagle and HW-NAS-Bench.) This'
        ' table is of the search before what stands below it: without what'
        ' alike networks share, without surprises.', '',
        *markdown.development(development), '',
        'Then, with the table\'s shortfall known, but by development devices'
        ' alone: measurements are spent while a better network is left that'
        ' was not measured, since one more never makes an answer worse;'
        ' 2 % of surprises and 128 of the predictor\'s 512'
        ' hypotheses, which changed nothing there (the first decides only when'
        ' the posterior has nothing left, the second is for speed); and 0.8 of'
        ' the noise for what alike networks have in common, correlated by 0.5'
        ' for each gene, after the residuals of regressions:', '',
        *_alike(others),
        *([f'Regret on {further_names}:', ''] if further else []),
        *markdown.development(further), '',
        'Tried there too, and not better: caution 1, tails of four degrees of'
        ' freedom, a spread 1.3 times as wide (2 or 3 seeds, 8 devices; those'
        ' trials are not kept).', '',
    ]
  lines += ['## Commands', '']
  for one in (*heads, *others.values()):
    lines.append(
        f'- `{one["command"]}` ({one["date"]}; nasflat_jax'
        f' {one["nasflat_jax"]}; {json.dumps(one["hardware"])}; load average'
        f' {one["load_average"]})'
    )
  lines.append('- `python benchmarks/search_page.py`')
  return '\n'.join(lines) + '\n'


def _alike(others: dict[str, Any]) -> list[str]:
  """Correlation of residuals by the genes that differ."""
  found = others.get('search_limits.json', {}).get('alike')
  if not found:
    return []
  mean = np.mean(list(found.values()), axis=0)
  return [
      *markdown.head('genes that differ', *map(str, range(1, len(mean) + 1))),
      markdown.row(
          f'correlation, mean of {len(found)} development devices',
          *(f'{value:.2f}' for value in mean),
      ), '',
  ]


def _seeds(heads: list[dict]) -> str:
  """How many seeds each part has."""
  parts = {}
  for head in heads:
    settings = head['settings']
    if 'seeds' in settings and head['benchmark'] == 'search_table':
      label = (
          'rivals' if not settings['ours_only'] else
          'development' if 'development' in settings['sets'] else
          "NASFLAT's points" if 'nasflat' in settings['sets'] else
          'validation accuracy' if 'validation' in settings['signals'] else
          f'ours, {"".join(settings["candidates"])}'
      )
      parts[label] = settings['seeds']
  return 'Seeds: ' + ', '.join(f'{k} {v}' for k, v in parts.items()) + '.'


def _note(heads: list[dict], *wanted: str) -> list[str]:
  """Says where an earlier version of the search was run.

  Args:
    heads: of files.
    *wanted: the set and the signal of the file that is meant, if it is one of
      the tables.
  """
  for head in heads:
    settings = head['settings']
    mine = not wanted or (
        wanted[0] in settings['sets'] and wanted[1] in settings['signals']
        and head['benchmark'] == 'search_table'
    )
    if mine and not (
        'surprise' in settings or 'surprise' in head.get('defaults', {})
    ):
      return [_EARLIER, '']
  return []


def _limits(others: dict[str, Any]) -> list[str]:
  """What remains for a search that knows a device's own regression."""
  record = others.get('search_limits.json')
  if record is None:
    return []
  return [
      '### What can be reached', '',
      'The same rule with a regression of the log latency on costs, genes and'
      ' pairs of genes that is fitted to *all* rows of the device, and the true'
      ' spread of its residuals: what no search can know. What it misses are'
      ' mostly values that no architecture explains. It is no bound: it'
      ' learns nothing from what it measures, and ours passes it on a few'
      ' devices.', '',
      *markdown.limits(record), '',
  ]


def main() -> None:
  """Reads, draws and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--page', default='search.md')
  options = parser.parse_args()
  folder = records.RESULTS
  there = [folder / name for name in _TABLES if (folder / name).is_file()]
  if not there:
    sys.exit('search_page.py: error: no results; run search_table.py first')
  heads, cells = summary.load(there)
  again = sorted(folder.glob(_AGAIN))
  if again:
    more, new = summary.load(again)
    done = {(c['candidates'], c['signal'], c['group']) for c in new}
    cells = new + [
        cell for cell in cells if cell['method'] != 'ours'
        or (cell['candidates'], cell['signal'], cell['group']) not in done
    ]
    heads += more
  others = {
      name: json.loads((folder / name).read_text())
      for name in _OTHERS if (folder / name).is_file()
  }
  table = problems.load()
  accuracy = data.load_accuracy('nasbench201').join(table.genotype).row(
      'cifar100', 'test'
  )
  pictures.pareto(folder / 'search_pareto.png', cells, table, accuracy, 20)
  pictures.progress(folder / 'search_progress.png', cells)
  if 'search_targets.json' in others:
    pictures.costs(
        folder / 'search_targets.png', others['search_targets.json']
    )
  explained, allowed = {}, {}
  for budget in problems.budgets(table, 'percentile'):
    device = budget.device
    if device not in allowed:
      allowed[device] = np.where(
          problems.fluke(table, device), np.nan, table.row(device)
      )
    best = rivals.oracle(accuracy, allowed[device], budget.ms)
    explained[budget.device, float(f'{budget.ms:.6g}')] = accuracy[best]
  chosen: list[list[summary.Cell]] = []
  for name in (_DEVELOPMENT, _FURTHER):
    chosen.append([])
    if (folder / name).is_file():
      more, chosen[-1] = summary.load([folder / name])
      heads += more
  (folder / options.page).write_text(
      page(heads, cells, others, explained, *chosen)
  )
  print(f'wrote {options.page}')


if __name__ == '__main__':
  main()
