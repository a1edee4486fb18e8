"""Times four ways to run a choice of operation for many architectures.

    python benchmarks/zero_cost_edges.py

See `zero_cost_study/edges.py` for the ways. Writes
`results/zero_cost_edges_cpu.json` and `.md` (or `_gpu`).
"""

from __future__ import annotations

import argparse
import os
import pathlib

from zero_cost_study import edges
from zero_cost_study import gpu_page
from zero_cost_study import records

SHAPES = ((16, 32), (32, 16), (64, 8))  # channels, side


def main() -> None:
  """Runs all shapes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--archs', type=int, default=64)
  parser.add_argument('--images', type=int, default=16)
  parser.add_argument('--repeats', type=int, default=10)
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  load = os.getloadavg()[0]
  rows = [
      edges.measure(
          archs=options.archs, images=options.images, side=side,
          channels=channels, repeats=options.repeats,
      )
      for channels, side in SHAPES
  ]  # fmt: skip
  record = records.header('zero_cost_edges', options)
  record |= {
      'command': records.command(options), 'load_before': load, 'rows': rows,
  }
  text = gpu_page.edges(record)
  print(text)
  name = f'zero_cost_edges_{record["hardware"]["backend"]}'
  records.write(options.out / f'{name}.json', record)
  (options.out / f'{name}.md').write_text(text)


if __name__ == '__main__':
  main()
