"""Runs a binary: flags, errors as one line, exit codes and progress.

Every binary of this package looks like this, and runs in tests as
`run(['program', '--flag=value'])`, as often as one likes in one process:

    _FLAGS = flags.FlagValues()
    _SPACE = flags.DEFINE_string(
        'space', 'nasbench201', 'Search space.', flag_values=_FLAGS)

    def _adapt() -> None:
      ...  # reads _SPACE.value; raises ValueError on a person's mistake

    def run(argv: Sequence[str]) -> int:
      return _main.run('nasflat-adapt', __doc__, _adapt, _FLAGS, argv)

    def main() -> None:  # the console script
      sys.exit(run(sys.argv))

The flags live in a `FlagValues` of the module, not in absl's global one, so
modules with flags of the same name can be imported together. `absl.app.run`
is not used: it parses the global flags only, exits with 1 on an unknown flag
and ends the process.

Exit codes: 0 success, 2 a mistake in flags or files, 130 interrupted, 141 the
reader of the output has gone (`... | head`). Another exception is a defect of
this package and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
import os
import pathlib
import re
import sys
import textwrap
import time

from absl import flags

_WIDTH = 78
# Seconds between lines of progress in a log file.
_PAUSE = 2.0


def run(
    program: str,
    doc: str | None,
    body: Callable[[], None],
    flag_values: flags.FlagValues,
    argv: Sequence[str],
) -> int:
  """Parses flags, runs a binary's body and returns its exit code.

  Args:
    program: the binary's name in messages.
    doc: the text above the flags in `--help`.
    body: the work; reads the flags and takes no arguments.
    flag_values: the binary's own flags. Every run starts from the defaults.
    argv: the command line; the first entry is skipped.

  Returns:
    The exit code, see the module.
  """
  try:
    code = _run(program, doc, body, flag_values, argv)
    sys.stdout.flush()
    return code
  except BrokenPipeError:
    # Python flushes once more at exit and would complain then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def _run(
    program: str,
    doc: str | None,
    body: Callable[[], None],
    flag_values: flags.FlagValues,
    argv: Sequence[str],
) -> int:
  """As `run`, but for a reader who has gone."""
  if any(arg in ('--help', '-help', '-h', '-?', '--helpfull') for arg in argv):
    print(format_help(program, doc, flag_values))
    return 0
  for name in flag_values:
    flag_values[name].unparse()
  try:
    positional = flag_values([program, *argv[1:]])[1:]
    if positional:
      raise ValueError(f'unexpected argument {positional[0]!r} (see --help)')
    body()
  except (flags.Error, ValueError) as error:
    # absl tells of a flag that is missing as if None had been given.
    missing = re.match(r'flag --(\w+)=None: ', str(error))
    return _fail(
        program, f'--{missing[1]} is required' if missing else str(error)
    )
  except BrokenPipeError:
    raise
  except OSError as error:
    return _fail(program, _describe(error))
  except KeyboardInterrupt:
    print(f'\n{program}: interrupted', file=sys.stderr)
    return 130
  return 0


def format_help(
    program: str, doc: str | None, flag_values: flags.FlagValues
) -> str:
  """Lays out a binary's documentation and flags.

  Args:
    program: the binary's name.
    doc: the text above the flags.
    flag_values: the binary's flags, listed by name.

  Returns:
    Lines without a trailing newline.
  """
  lines = [f'{program}: {(doc or "").strip()}', '', 'Flags:']
  for name in sorted(flag_values):
    flag = flag_values[name]
    if flag.boolean:
      usage = f'  --[no]{name}  (default {str(flag.default).lower()})'
    elif flag.default in (None, ''):
      usage = f'  --{name}=...'
    else:
      usage = f'  --{name}=...  (default {flag.default})'
    lines.append(usage)
    text = flag.help
    choices = getattr(flag.parser, 'enum_values', ())
    if choices:
      text += f' One of {", ".join(choices)}.'
    lines.extend(textwrap.wrap(
        text, _WIDTH, initial_indent=' ' * 6, subsequent_indent=' ' * 6
    ))
  return '\n'.join(lines)


@contextlib.contextmanager
def naming(flag: str) -> Iterator[None]:
  """Puts a flag's name before the mistakes found in a block.

  Args:
    flag: the name, without dashes.

  Yields:
    Nothing.

  Raises:
    ValueError: the block raised a `ValueError` or an `OSError`.
  """
  try:
    yield
  except ValueError as error:
    raise ValueError(f'--{flag}: {error}') from error
  except OSError as error:
    raise ValueError(f'--{flag}: {_describe(error)}') from error


@contextlib.contextmanager
def folder_of(path: pathlib.Path, flag: str) -> Iterator[None]:
  """Makes a file's folder now, not after minutes of work.

  Args:
    path: the file that the block will write.
    flag: the flag that named it, without dashes.

  Yields:
    Nothing. If the block fails, folders that were made and are empty go again.

  Raises:
    ValueError: the folder cannot be made.
  """
  missing = [folder for folder in path.parents if not folder.exists()]
  with naming(flag):
    path.parent.mkdir(parents=True, exist_ok=True)
  try:
    yield
  except BaseException:
    with contextlib.suppress(OSError):  # one that is not empty
      for folder in missing:
        folder.rmdir()
    raise


def path_of(flag: flags.FlagHolder[str]) -> pathlib.Path:
  """Returns a flag's path; an empty one would be the current folder.

  Args:
    flag: the flag.

  Returns:
    The path.

  Raises:
    ValueError: the flag is empty.
  """
  if not flag.value:
    raise ValueError(f'--{flag.name} is empty, want a path')
  return pathlib.Path(flag.value)


def _describe(error: OSError) -> str:
  """Returns which file it is about and what is wrong with it."""
  name = f'{error.filename}: ' if error.filename is not None else ''
  return f'{name}{error.strerror or error}'


def _fail(program: str, message: str) -> int:
  """Prints an error as one line and returns its exit code."""
  print(f'{program}: error: {" ".join(message.split())}', file=sys.stderr)
  return 2


class Progress:
  """Prints how far a loop has come, on stderr.

  On a terminal one line is rewritten; elsewhere a line is printed for every
  tenth of the work, at most one in two seconds and one at the end, so that log
  files stay short.
  One call prints, for instance, `Measuring: 30/75 (4 s)`. A count that falls
  back begins a new loop under the same label. The time left is of the pace
  since the first call, so neither compiling before it nor what an earlier run
  did counts.
  """

  def __init__(self, label: str, *, time_left: bool = False) -> None:
    """Makes a progress line.

    Args:
      label: what is being done, e.g. `Measuring`.
      time_left: whether to show it too, `Scoring: 30/75 (4 s, 6 s left)`.
    """
    self._label = label
    self._shows_left = time_left
    self._first: tuple[float, int] | None = None
    self._start = time.monotonic()
    self._printed = -float('inf')
    self._done = 0
    self._tenths = -1
    self._is_terminal = sys.stderr.isatty()

  def __call__(self, done: int, total: int) -> None:
    """Shows that `done` of `total` is finished.

    Args:
      done: items finished.
      total: items there are.
    """
    now = time.monotonic()
    tenths = 10 * done // max(total, 1)
    if done < self._done or tenths < self._tenths:
      self._start, self._tenths, self._first = now, -1, None
    self._done = done
    is_due = done >= total or now - self._printed >= _PAUSE
    seconds = now - self._start
    left = self._left(now, done, total) if self._shows_left else ''
    text = f'{self._label}: {done}/{total} ({seconds:.0f} s{left})'
    if self._is_terminal:
      end = '\n' if done >= total else ''
      print(f'\r{text}\x1b[K', end=end, file=sys.stderr, flush=True)
    elif is_due and tenths > self._tenths:
      print(text, file=sys.stderr, flush=True)
      self._printed, self._tenths = now, tenths

  def _left(self, now: float, done: int, total: int) -> str:
    """The time left, once a pace is known."""
    if self._first is None:
      self._first = now, done
    then, before = self._first
    if done <= before or done >= total:
      return ''
    seconds = (now - then) * (total - done) / (done - before)
    if seconds < 100:
      return f', {seconds:.0f} s left'
    return f', {seconds / 60:.0f} min left'


@contextlib.contextmanager
def stage(label: str, seconds: dict[str, float], name: str) -> Iterator[None]:
  """Announces a stage on stderr and notes its duration.

  Args:
    label: what is announced, e.g. `Adapting to 15 measurements`.
    seconds: gets `seconds[name]`, the wall-clock duration.
    name: the stage's key.

  Yields:
    Nothing.
  """
  print(f'{label} ...', file=sys.stderr, flush=True)
  start = time.monotonic()
  yield
  seconds[name] = round(time.monotonic() - start, 3)
