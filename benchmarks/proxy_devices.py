"""One proxy device: monotonicity, AdaProxy, and which device to take.

    NASFLAT_MIRROR=... python benchmarks/proxy_devices.py

Writes `proxy.json.gz`, the page `proxy.md` and the pictures `proxy_*.png`. The
adaptation takes about half an hour on two cores; it is kept target by target,
and the same command goes on where it was interrupted (--resume). With --parts
only some parts are run and the others kept.
"""

import argparse
import datetime
import gzip
import json
import pathlib
import sys
import time

import jax
import numpy as np
from proxy_study import adaptation
from proxy_study import choices
from proxy_study import coverage
from proxy_study import matrices
from proxy_study import page
from proxy_study import rules
import scipy

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import measure
from nasflat_jax import reports

_PARTS = ('matrices', 'coverage', 'choices', 'rules', 'adaptation')


def _save(path: pathlib.Path, record: dict) -> None:
  text = json.dumps(record, indent=1, allow_nan=False)
  with reports.atomic_path(path) as partial:
    partial.write_bytes(gzip.compress(text.encode(), mtime=0))


def _stamp(seconds: float) -> dict:
  """What a part's figures depend on."""
  return {
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join([
          'python benchmarks/proxy_devices.py',
          *(arg for arg in sys.argv[1:] if not arg.startswith('--out')),
      ]),
      'versions': {
          'nasflat_jax': nasflat_jax.__version__,
          'jax': jax.__version__,
          'numpy': np.__version__,
          'scipy': scipy.__version__,
      },
      'hardware': measure.backend_info(),
      'seconds': round(seconds, 1),
      'data_sha256': {
          name: data.fingerprint(matrices.load(name))
          for name in matrices.TABLES
      },
  }


def main() -> None:
  """Runs the parts asked for, then writes the page."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--parts', default=','.join(_PARTS))
  parser.add_argument('--resume', action=argparse.BooleanOptionalAction,
                      default=True)
  parser.add_argument(
      '--out',
      type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results',
      help='folder of the results',
  )
  options = parser.parse_args()
  parts = options.parts.split(',')
  unknown = set(parts) - set(_PARTS)
  if unknown:
    parser.error(f'--parts: unknown {", ".join(sorted(unknown))}')
  options.out.mkdir(parents=True, exist_ok=True)
  path = options.out / 'proxy.json.gz'
  record = {'benchmark': 'proxy_devices'}
  if options.resume and path.exists():
    record = json.loads(gzip.decompress(path.read_bytes()))
  for name, run in (
      ('matrices', matrices.run),
      ('coverage', coverage.run),
      ('choices', choices.run),
      ('rules', rules.run),
  ):
    if name in parts:
      start = time.perf_counter()
      print(f'{name} ...', file=sys.stderr, flush=True)
      rows = run()
      record[name] = {'rows': rows, **_stamp(time.perf_counter() - start)}
      _save(path, record)
  if 'adaptation' in parts:
    kept = record.get('adaptation', {})
    rows = kept.get('rows', [])
    start = time.perf_counter() - kept.get('seconds', 0.0)

    def keep(done: int, total: int) -> None:
      print(f'adaptation: {done}/{total} targets', file=sys.stderr, flush=True)
      if rows:
        stamp = _stamp(time.perf_counter() - start)
        record['adaptation'] = {'rows': rows, **stamp}
        _save(path, record)

    adaptation.run(rows, keep)
  page.write(options.out, record)


if __name__ == '__main__':
  main()
