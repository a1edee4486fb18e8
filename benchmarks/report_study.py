"""Turns results of a whole study into one Markdown page and one JSON file.

python benchmarks/report_study.py --rivals=A.json.gz,B.json.gz \
    --axes=axes.json --samplers=samplers.json \
    --replicate_nasflat=replicate_nasflat.json \
    --replicate_help=replicate_help.json --fresh=fresh.json \
    --suites=benchmarks/partitions/fbnet.json \
    --plots=benchmarks/results --out=benchmarks/results/study.md

All lists are comma-separated. Results of `nasflat-evaluate` may be compressed;
where X.json is not there, X.json.gz is read. A section whose files are not
there is left out, and the page says so. The aggregated figures go to the page's
path with `.json` for `.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import json
import pathlib
import sys

from study_report import axes
from study_report import fresh
from study_report import replication
from study_report import rivals
from study_report import samplers
from study_report import times
from study_report.section import Section
from task_report import rows as rows_lib

_REPLICATED = {
    'replicate_nasflat': 'NASFLAT',
    'replicate_help': 'HELP',
    'replicate_oneproxy': 'OneProxy',
    'replicate_multi_predict': 'Multi-Predict',
}
_HEAD = (
    'Protocol of `nasflat-evaluate`: the state is reset for every device,'
    ' number of measurements and trial; all measured architectures but the'
    ' support are judged; every method of a sampler meets the same'
    ' measurements.'
)


def main(argv: Sequence[str]) -> int:
  """Runs the script; returns its exit code."""
  parser = argparse.ArgumentParser(
      'report_study.py', description=(__doc__ or '').splitlines()[0]
  )
  for name, text in {
      'rivals': 'results of all methods',
      'axes': 'results of a method and of variants such as nasflat[encoding=x]',
      'samplers': 'results of one method with many samplers',
      **{name: f'published numbers of {t}' for name, t in _REPLICATED.items()},
      'fresh': 'results on splits of nasflat-partition',
      'suites': 'the files of these splits',
  }.items():
    parser.add_argument(f'--{name}', type=_paths, default=[], help=text)
  parser.add_argument(
      '--plots', type=pathlib.Path, help='folder for pictures (matplotlib)'
  )
  parser.add_argument(
      '--out', type=pathlib.Path, required=True, help='the page, .md'
  )
  args = parser.parse_args(argv)
  try:
    if args.out.suffix != '.md':
      raise ValueError(f'--out: want a path that ends in .md, got {args.out}')
    sections, absent = build(args)
    args.out.write_text(_page(sections, absent), encoding='utf-8')
    args.out.with_suffix('.json').write_text(
        json.dumps(
            {section.name: section.numbers for section in sections}, indent=1
        )
        + '\n',
        encoding='utf-8',
    )
  except (ValueError, OSError) as error:
    print(f'report_study.py: error: {error}', file=sys.stderr)
    return 2
  for path in absent:
    print(f'report_study.py: left out, no file: {path}', file=sys.stderr)
  return 0


def build(args: argparse.Namespace) -> tuple[list[Section], list[str]]:
  """The sections whose files are there, and the files that are not."""
  absent: list[str] = []

  def present(name: str) -> list[str]:
    found = []
    for path in getattr(args, name):
      known = [p for p in (path, f'{path}.gz') if pathlib.Path(p).is_file()]
      found += known[:1]
      absent.extend([] if known else [path])
    return found

  sections = []
  files = present('rivals')
  if files:
    sections.append(rivals.build(
        rows_lib.load(files), plot_folder=args.plots,
        page_folder=args.out.parent,
    ))
  makers: dict[str, Callable[[rows_lib.Results], Section]] = {
      'axes': axes.build,
      'samplers': samplers.build,
  }
  for name, make in makers.items():
    paths = present(name)
    if paths:
      sections.append(make(rows_lib.load(paths)))
  replicated = {
      title: path
      for name, title in _REPLICATED.items()
      for path in present(name)
  }
  if replicated:
    sections.append(replication.build(replicated))
  if files:
    sections.append(times.build([rows_lib.load([path]) for path in files]))
  judged, suites = present('fresh'), present('suites')
  if suites or judged:
    sections.append(
        fresh.build(rows_lib.load(judged) if judged else None, suites)
    )
  return sections, absent


def _paths(text: str) -> list[str]:
  return [path.strip() for path in text.split(',') if path.strip()]


def _page(sections: Sequence[Section], absent: Sequence[str]) -> str:
  lines = ['# Study', '', _HEAD, '']
  if absent:
    names = ', '.join(f'`{pathlib.Path(path).name}`' for path in absent)
    lines += [f'Left out, not there yet: {names}.', '']
  for section in sections:
    lines += section.lines
  return '\n'.join(lines).rstrip() + '\n'


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
