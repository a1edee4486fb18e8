"""Times the thirteen proxies against PyTorch's loop on the same cores.

    python benchmarks/zero_cost_speed.py --torch_python=PATH

In every round of a setting the same random networks go once through each
contender: ours (one process, a JAX device for each core), PyTorch in the
reference's style (a network and its passes for each proxy; `collect` also
collects garbage after each, as the reference does) and with shared passes. On
the cores PyTorch runs in two ways, `threads` in one process or as many
processes of one thread on parts of the networks; ratios are to the faster way.
Neither merges duplicates; start of programs and first networks are not timed,
the first call of ours, which compiles, is timed apart. Without PATH, ours
alone is timed. `--marginal=SETTING` also times single proxies. Needs an idle
machine. Writes `results/zero_cost_speed_cpu.json` (or `_gpu`) and the tables of
`results/zero_cost_speed_cpu.md`.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
from typing import Any

from zero_cost_study import contenders
from zero_cost_study import records
from zero_cost_study import speed_page

# Proxies alone, one for each pass, and all but those of a pass.
_ALONE = (
    'params', 'l2_norm', 'nwot', 'grad_norm', 'fisher', 'jacov', 'grasp',
    'synflow', 'zen',
)  # fmt: skip
_WITHOUT = (
    ('nwot',), ('fisher',), ('epe_nas', 'jacov'), ('grasp',), ('synflow',),
    ('zen',),
)  # fmt: skip


def measure(
    name: str, setting: contenders.Setting, options: argparse.Namespace
) -> dict[str, Any]:
  """All rounds of a setting."""
  genotype = setting.genotype(options.seed)
  rows: list[dict[str, Any]] = []
  loops = []
  if options.torch_python:
    loops = [
        (style, way)
        for style in options.styles.split(',')
        for way in options.ways.split(',')
    ]

  def note(round_, contender, seconds, load, **more):
    rows.append({
        'round': round_,
        'contender': contender,
        'ms_per_network': 1e3 * seconds,
        'load_before_and_after': [load, os.getloadavg()[0]],
        **more,
    })
    print(
        f'{name}, round {round_}: {contender} {1e3 * seconds:.1f} ms, '
        f'load {load:.1f}',
        flush=True,
    )

  version = None
  ours = contenders.Ours(setting, options)
  (first,), _, _ = ours()
  print(f'{name}: first call {first:.1f} s', flush=True)
  for round_ in range(options.rounds):
    load = os.getloadavg()[0]
    seconds, gflops, memory = ours(repeats=options.repeats)
    # A block is as long as PyTorch's; its best call is not picked.
    each = statistics.median(seconds) / len(genotype)
    note(round_, 'ours', each, load, matmul_gflops=gflops, peak_mib=memory)
    for style, way in loops:
      load = os.getloadavg()[0]
      each, memory, version = contenders.pytorch(
          setting, style, way, genotype, options
      )
      note(round_, f'{style}, {way}', each, load, peak_mib=memory)
  marginal = None
  if options.marginal == name:
    marginal = _marginal(ours, len(genotype), options.repeats)
  ours.close()
  return {
      'setting': name,
      **setting._asdict(),
      'torch': version,
      'first_call_seconds': first,
      'summary': speed_page.summary(rows),
      'ratios': (
          speed_page.ratios(rows, options.styles.split(',')) if loops else {}
      ),
      'rate': speed_page.rate(setting, genotype, rows),
      'marginal': marginal,
      'rows': rows,
  }


def _marginal(ours: contenders.Ours, num: int, repeats: int) -> dict[str, Any]:
  """Milliseconds a network of proxies alone, and saved by leaving some out."""
  from nasflat_jax import zero_cost

  names = tuple(fn.name for fn in zero_cost.ALL)

  def fastest(chosen: tuple[str, ...]) -> float:
    ours(chosen)
    seconds, _, _ = ours(chosen, max(repeats, 3))
    print(f'{", ".join(chosen)}: {1e3 * min(seconds) / num:.1f} ms', flush=True)
    return 1e3 * min(seconds) / num

  full = fastest(names)
  return {
      'all_ms': full,
      'alone_ms': {name: fastest((name,)) for name in _ALONE},
      'saved_without_ms': {
          ', '.join(left_out): full
          - fastest(tuple(name for name in names if name not in left_out))
          for left_out in _WITHOUT
      },
  }


def main() -> None:
  """Runs the rounds, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--torch_python', default='')
  parser.add_argument(
      '--settings', default=','.join(list(contenders.SETTINGS)[:-1])
  )
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--repeats', type=int, default=3, help='of ours')
  parser.add_argument('--styles', default='reference,collect,shared')
  parser.add_argument('--ways', default='threads,processes')
  parser.add_argument('--warm_up', type=int, default=1, help="PyTorch's")
  parser.add_argument('--cores', type=int, default=os.cpu_count())
  parser.add_argument('--marginal', default='C16-N5-B16', help='setting')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  unknown = set(options.settings.split(',')) - set(contenders.SETTINGS)
  if unknown:
    print(
        f'zero_cost_speed.py: --settings: no {", ".join(sorted(unknown))}; '
        f'choose from {", ".join(contenders.SETTINGS)}',
        file=sys.stderr,
    )
    sys.exit(2)
  runs = []
  try:
    for name in options.settings.split(','):
      runs.append(measure(name, contenders.SETTINGS[name], options))
  except (OSError, ValueError) as error:
    print(f'zero_cost_speed.py: {error}', file=sys.stderr)
    sys.exit(2)
  record = records.header('zero_cost_speed', options)
  record |= {
      'command': records.command(options),
      'rounds': options.rounds,
      'runs': runs,
  }
  text = speed_page.page(record)
  print(text)
  name = f'zero_cost_speed_{record["hardware"]["backend"]}'
  records.write(options.out / f'{name}.json', record)
  (options.out / f'{name}.md').write_text(text)


if __name__ == '__main__':
  main()
