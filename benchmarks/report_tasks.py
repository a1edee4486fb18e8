"""Turns results of `nasflat-evaluate` into a Markdown page with pictures.

python benchmarks/report_tasks.py RESULTS.json [MORE.json ...] \
    [--ablation FILE.json ...] [--samplers FILE.json ...] \
    [--plots FOLDER] [--out PAGE.md]

Results may be compressed (`.json.gz`). They may come from different commands,
e.g. one for each sampler, as long as seed and data are the same: rows are then
paired by device and trial.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import pathlib
import sys

from task_report import page
from task_report import rows


def main(argv: Sequence[str]) -> int:
  """Runs the script; returns its exit code."""
  parser = argparse.ArgumentParser(
      'report_tasks.py', description=(__doc__ or '').splitlines()[0]
  )
  parser.add_argument('results', nargs='+', help='results to report')
  parser.add_argument(
      '--method', default='bayesian', help='compared with all others'
  )
  parser.add_argument(
      '--ablation', nargs='+', default=[],
      help='results with variants of the method, such as bayesian[...]',
  )
  parser.add_argument(
      '--samplers', nargs='+', default=[],
      help='results of the method with other samplers',
  )
  parser.add_argument(
      '--plots', type=pathlib.Path, help='folder for pictures (matplotlib)'
  )
  parser.add_argument(
      '--out', type=pathlib.Path, help='the page; standard output without it'
  )
  args = parser.parse_args(argv)
  try:
    text = page.page(
        rows.load(args.results),
        subject=args.method,
        ablation=rows.load(args.ablation) if args.ablation else None,
        samplers=rows.load(args.samplers) if args.samplers else None,
        plot_folder=args.plots,
        page_folder=args.out.parent if args.out else None,
    )
    if args.out:
      args.out.write_text(text, encoding='utf-8')
    else:
      sys.stdout.write(text)
  except (ValueError, OSError) as error:
    print(f'report_tasks.py: error: {error}', file=sys.stderr)
    return 2
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
