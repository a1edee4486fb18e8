"""What the parts of the page share: tables, and what a part was made by."""

NAMES = {
    'nasbench201': 'NB201', 'fbnet': 'FBNet', 'ofa': 'OFA',
    'oneproxy': "OneProxy's set",
}


def table(head: list, rows: list[list]) -> list[str]:
  """Lines of a table, numbers to the right."""
  align = ['---', *['---:'] * (len(head) - 1)]
  return [
      '| ' + ' | '.join(str(cell) for cell in row) + ' |'
      for row in (head, align, *rows)
  ] + ['']


def stamp(part: dict) -> list[str]:
  """Hardware, versions, date and seconds of a part."""
  hardware, versions = part['hardware'], part['versions']
  return [
      f'{hardware["cpu"]}, {hardware["cores"]} cores shared with other work; '
      f'{", ".join(f"{k} {v}" for k, v in versions.items())}; '
      f'{part["date"][:16]} UTC; {part["seconds"]:.0f} s.',
      '',
  ]
