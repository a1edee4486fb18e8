"""The page of the results."""


def write(out, record):
  """Stub."""
