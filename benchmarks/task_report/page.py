"""The whole page."""

from __future__ import annotations

from collections.abc import Sequence
import json
import os
import pathlib
import re
from typing import Any

from task_report import accuracy
from task_report import detail
from task_report import pairs
from task_report import plots
from task_report import reference
from task_report import rows as rows_lib
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import Row
from task_report.rows import select

_PUBLISHED_NOTE = (
    'Published numbers: means over the same target devices at 20 samples,'
    ' whatever n is, from `results_geomean.py` in the repository of NASFLAT\'s'
    ' authors. They judge the first 128 architectures, support included, carry'
    ' weights from device to device, and use 16 (NAS-Bench-201) or 800 (FBNet)'
    ' measurements per source device. The CSV files beside that script differ'
    ' in some entries of HELP and MultiPredict (MultiPredict on N1: 0.971 for'
    ' 0.907), so the gain over the better of the two is given for both; on FD'
    ' the CSV files judge other devices, and the script\'s 0.960 stands.'
    ' NASFLAT itself is the third published method; the rows with its name'
    ' compare with it.'
)
_CEILING_NOTE = (
    'Ceiling: ridge of the log latency on the one-hot genotype with 4,000'
    ' architectures of the target device itself, 1,000 others judged (large-n'
    ' one-hot ridge; FBNet only). It is what a sum over operations can reach,'
    ' and phones whose tables are noisy bound F1, F4 and FA.'
)

_MAPE_NOTE = (
    'Where a device runs disconnected cells of NAS-Bench-201 in next to no'
    ' time, the relative errors of these few cells dominate the mean; the share'
    ' predicted within 10 % does not suffer from them.'
)


def page(
    results: Results,
    *,
    subject: str = 'bayesian',
    ablation: Results | None = None,
    samplers: Results | None = None,
    plot_folder: pathlib.Path | None = None,
    page_folder: pathlib.Path | None = None,
) -> str:
  """The page as Markdown.

  Args:
    results: the rows to report.
    subject: the method that the others are compared with.
    ablation: rows of its variants, methods whose name starts with it.
    samplers: more rows of the subject, with other samplers.
    plot_folder: where PNG files go; None draws none.
    page_folder: where the page will be, for its links.

  Returns:
    Markdown.
  """
  lines = _head(results, ablation, samplers, subject)
  groups = (results, ablation, samplers)
  everything = [r for group in groups if group for r in group.rows]
  tasks = ordered(row['task'] for row in everything)
  for suite in ordered(reference.suite_of(task) for task in tasks):
    chosen = reference.ordered_tasks(suite, tasks)
    mine = [row for row in results.rows if row['task'] in chosen]
    for sampler in ordered(row['sampler'] for row in mine):
      lines += _sampler_section(
          select(mine, sampler=sampler), suite, chosen, sampler, subject,
          plot_folder, page_folder,
      )
    if ablation:
      lines += _ablation_section(ablation, results, suite, chosen, subject)
    if samplers:
      both = [
          row for row in rows_lib.merged(results, samplers).rows
          if row['task'] in chosen and row['method'] == subject
      ]
      lines += _samplers_section(
          both, suite, chosen, subject, plot_folder, page_folder
      )
  return '\n'.join(lines).rstrip() + '\n'


def _head(
    results: Results,
    ablation: Results | None,
    samplers: Results | None,
    subject: str,
) -> list[str]:
  lines = [
      '# Few-shot latency prediction on transfer tasks',
      '',
      'Protocol: the state is reset for every device, number of measurements'
      ' and trial; all measured architectures but the support are judged;'
      ' sources are fitted on source data only; every method of a sampler meets'
      ' the same measurements. A cell is the mean over the target devices and,'
      ' behind ±, the standard deviation over trials of that mean.'
      f' The method compared with the others is `{subject}`.',
      '',
      _PUBLISHED_NOTE,
      '',
      'Commands:',
      '',
  ]
  for group in (results, ablation, samplers):
    lines += provenance(group.metas if group else ())
  if results.num_repeated:
    lines += [
        '',
        f'{results.num_repeated} rows are in more than one file and are taken'
        ' from the first; Spearman of the others differs by'
        f' {results.largest_difference:.2g} at the most.',
    ]
  return [*lines, '']


def provenance(metas: Sequence[dict[str, Any]]) -> list[str]:
  """Commands of result files, with date, hardware and versions, as a list."""
  lines = []
  for meta in metas:
    lines += [
        f'- `{meta["command"]}`',
        f'  ({meta["date"]}; {json.dumps(meta["hardware"])};'
        f' {json.dumps(meta["versions"])})',
    ]
  return lines


def _sampler_section(
    rows: Sequence[Row],
    suite: str,
    tasks: Sequence[str],
    sampler: str,
    subject: str,
    plot_folder: pathlib.Path | None,
    page_folder: pathlib.Path | None,
) -> list[str]:
  """Everything about one suite with one sampler."""
  tasks = [task for task in tasks if any(r['task'] == task for r in rows)]
  methods = ordered(row['method'] for row in rows)
  methods.sort(key=lambda method: method != subject)
  sizes = detail.sizes_of(rows)
  num_trials = len({row['trial'] for row in rows})
  lines = [
      f'## {suite}, sampler {sampler}',
      '',
      f'{num_trials} trials, {len({(r["task"], r["device"]) for r in rows})}'
      ' pairs of task and target device.',
      '',
  ]
  if detail.is_oracle(sampler):
    lines += [
        'This sampler is an oracle: it sees every latency of the target. An'
        ' upper bound, not a method.', '',
    ]  # fmt: skip
  for size in sizes:
    part = select(rows, num_support=size)
    ours = accuracy.means(select(part, method=subject), tasks)
    extra = accuracy.reference_rows(ours, tasks, size, subject)
    lines += [f'### n = {size}: Spearman', '']
    lines += accuracy.figure_table(part, tasks, methods, 'spearman', extra)
  lines += pairs.pairs_section(
      pairs.all_pairs(rows, tasks, subject), tasks, subject
  )
  for figure, name in (
      ('mape', 'mean absolute percentage error, as a fraction'),
      ('within_10pct', 'share predicted within 10 %'),
  ):
    for size in sizes:
      lines += [f'### n = {size}: {name}', '']
      if figure == 'mape' and size == sizes[0]:
        lines += [_MAPE_NOTE, '']
      lines += accuracy.figure_table(
          select(rows, num_support=size), tasks, methods, figure
      )
  coverage = accuracy.coverage_table(rows, tasks, sizes)
  if coverage:
    lines += ['### Share inside the 90 % intervals', '', *coverage]
  lines += ['### Learning curves: Spearman', '', _CEILING_NOTE, '']
  if plot_folder is not None:
    path = plot_folder / file_name('curves', suite, sampler)
    plots.curves(path, rows, tasks, methods, subject)
    lines += [image(path, page_folder, f'Learning curves, {suite}'), '']
  shown = [subject] if subject in methods else methods
  lines += detail.curve_table(rows, tasks, shown)
  for size in sizes:
    lines += [f'### Every target device, n = {size}: Spearman', '']
    lines += detail.device_table(select(rows, num_support=size), tasks, methods)
  lines += [
      '### Measurements and time',
      '',
      'Seconds per device and trial: the median time of adapting and of scoring'
      ' all architectures, shared equally by the pairs of one call, compilation'
      ' included.',
      '',
  ]
  return lines + detail.time_table(rows, methods)


def _ablation_section(
    ablation: Results,
    results: Results,
    suite: str,
    tasks: Sequence[str],
    subject: str,
) -> list[str]:
  lines = []
  rows = [row for row in ablation.rows if row['task'] in tasks]
  # The method itself may be among the results only.
  whole = rows_lib.merged(ablation, results).rows
  for sampler in ordered(row['sampler'] for row in rows):
    mine = select(rows, sampler=sampler)
    present = [t for t in tasks if any(r['task'] == t for r in mine)]
    sizes = detail.sizes_of(mine)
    plain = [
        row for row in select(whole, sampler=sampler, method=subject)
        if row['task'] in present and row['num_support'] in sizes
    ]
    mine = plain + [row for row in mine if row['method'] != subject]
    tables = detail.ablation_tables(mine, present, subject)
    if tables:
      lines += [
          f'## {suite}: variants of {subject}, sampler {sampler}', '',
          f'Spearman; the last column is the paired mean difference from'
          f' `{subject}` on the trials that both have.', '', *tables,
      ]  # fmt: skip
  return lines


def _samplers_section(
    rows: Sequence[Row],
    suite: str,
    tasks: Sequence[str],
    subject: str,
    plot_folder: pathlib.Path | None,
    page_folder: pathlib.Path | None,
) -> list[str]:
  tasks = [task for task in tasks if any(r['task'] == task for r in rows)]
  tables = detail.sampler_tables(rows, tasks, subject)
  if not tables:
    return []
  lines = [f'## {suite}: {subject} by sampler', '', 'Spearman.', '']
  if plot_folder is not None:
    path = plot_folder / file_name('samplers', suite, '')
    names = ordered(row['sampler'] for row in rows)
    plots.curves(path, rows, tasks, names, names[0], by='sampler')
    lines += [image(path, page_folder, f'Samplers, {suite}'), '']
  return lines + tables


def file_name(kind: str, suite: str, sampler: str) -> str:
  """The name of a picture."""
  words = re.findall(r'[a-z0-9]+', f'{kind} {suite} {sampler}'.lower())
  return '_'.join(words) + '.png'


def image(
    path: pathlib.Path, page_folder: pathlib.Path | None, text: str
) -> str:
  """A link to a picture, relative to the page."""
  link = os.path.relpath(path, page_folder or path.parent)
  return f'![{text}]({pathlib.PurePath(link).as_posix()})'
