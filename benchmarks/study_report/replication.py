"""Published numbers beside those of the same protocol, run here.

Four kinds of files: those of `replicate_nasflat.py`, `replicate_help.py` and
`replicate_oneproxy.py`, and any other with `rows` of `name`, `published`,
`replicated` and, where known, `std` and `clean`.
"""

from __future__ import annotations

from collections.abc import Sequence
import json
import pathlib
import statistics
from typing import Any, NamedTuple

from task_report import markdown
from task_report.rows import ordered

from study_report import section

_TEXT = (
    'Published: as printed by the authors or recorded in their repository.'
    ' Replicated: the same protocol, run here, ± the standard deviation that'
    ' its script gives. Clean: nothing learned from or judged on what a user'
    ' would not have.'
)


class Entry(NamedTuple):
  """One published number.

  Attributes:
    name: what it is of.
    published: the number; None where there is none.
    replicated: the same, run here.
    std: spread of `replicated`.
    clean: the same method without the protocol's leaks.
    note: e.g. trials or seeds.
  """

  name: str
  published: float | None
  replicated: float
  std: float | None
  clean: float | None
  note: str = ''


def build(paths: dict[str, str]) -> section.Section:
  """One table for each file.

  Args:
    paths: files by title, e.g. `NASFLAT`.

  Returns:
    The section.

  Raises:
    ValueError: a file is of none of the four kinds.
  """
  lines = ['## Published and replicated', '', _TEXT, '']
  numbers: section.Numbers = []
  for title, path in paths.items():
    try:
      content = json.loads(pathlib.Path(path).read_text('utf-8'))
      entries, metas = _read(content)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
      raise ValueError(
          f'{path}: not a file of replicated numbers ({error!r})'
      ) from error
    lines += [f'### {title}', '', *_provenance(metas), '', *_table(entries)]
    numbers += [{'of': title, **entry._asdict()} for entry in entries]
  return section.Section('replication', lines, numbers)


def _read(content: dict[str, Any]) -> tuple[list[Entry], list[dict[str, Any]]]:
  """The entries, and what holds command, date, hardware and versions."""
  if content.get('benchmark') == 'replicate_nasflat':
    return _nasflat(content), content['tasks']
  if content.get('benchmark') == 'replicate_help':
    return _help(content), [content]
  if content.get('benchmark') == 'replicate_oneproxy':
    return _oneproxy(content), [content]
  entries = [
      Entry(
          row['name'], row.get('published'), float(row['replicated']),
          row.get('std'), row.get('clean'), str(row.get('note', '')),
      )
      for row in content['rows']
  ]
  return entries, [content.get('meta', content)]


def _nasflat(content: dict[str, Any]) -> list[Entry]:
  entries = []
  for task in content['tasks']:
    summary = task['summary']
    settings = task.get('settings', {})
    note = f'{summary["num_trials"]} trials'
    if 'pretrain_epochs' in settings:
      note += f', {settings["pretrain_epochs"]} epochs'
    entries.append(Entry(
        f'{summary["task"]}, {summary["recipe"]}', summary['published'],
        summary['published_protocol'], summary.get('published_protocol_std'),
        summary['clean'], note,
    ))
  return entries


def _help(content: dict[str, Any]) -> list[Entry]:
  """Means over seeds; `measured` scaling is the clean one."""
  paper = {(p['space'], p['method']): p['spearman'] for p in content['paper']}
  rows = content['rows']
  entries = []
  for space, method in ordered((r['space'], r['method']) for r in rows):
    mine = [r for r in rows if (r['space'], r['method']) == (space, method)]
    # The paper's figures are in the order of the devices, their mean at last.
    for index, device in enumerate(mine[0]['published']):
      found, clean = (
          [_mean_of(row[scaling][device]) for row in mine]
          for scaling in ('published', 'measured')
      )
      known = paper.get((space, method))
      entries.append(Entry(
          f'{method}, {space}, {device}', known and known[index],
          statistics.mean(found),
          statistics.stdev(found) if len(found) > 1 else None,
          statistics.mean(clean), f'{len(mine)} seeds',
      ))
  return entries


def _oneproxy(content: dict[str, Any]) -> list[Entry]:
  """The proxy device as it is and adapted; published numbers off a figure."""
  note = f'{len(content["seeds"])} draws of {content["num_support"]}'
  means = {'device': 'mean', **content['means']}
  return [
      Entry(
          f'{method}, {row["device"]}', row[f'{method}_figure'], row[method],
          row.get(f'{method}_std'), None,
          note if method == 'adaproxy' else 'no measurements',
      )
      for row in (*content['rows'], means)
      for method in ('proxy', 'adaproxy')
  ]


def _mean_of(value: float | list[float]) -> float:
  """A device has mean and spread, their mean over devices only itself."""
  return value[0] if isinstance(value, list) else value


def _provenance(metas: Sequence[dict[str, Any]]) -> list[str]:
  lines = []
  for meta in metas:
    versions = meta.get('versions', {'nasflat_jax': meta.get('nasflat_jax')})
    lines += [
        f'- `{meta.get("command", "command not recorded")}`',
        f'  ({meta.get("date", "no date")};'
        f' {json.dumps(meta.get("hardware"))}; {json.dumps(versions)})',
    ]
  return lines


def _table(entries: Sequence[Entry]) -> list[str]:
  return markdown.table(
      ['', 'published', 'replicated', 'difference', 'clean', 'of'],
      [
          [
              entry.name,
              markdown.number(entry.published),
              markdown.spread(entry.replicated, entry.std),
              markdown.signed(
                  None if entry.published is None
                  else entry.replicated - entry.published
              ),
              markdown.number(entry.clean),
              entry.note or markdown.NONE,
          ]
          for entry in entries
      ],
  )
