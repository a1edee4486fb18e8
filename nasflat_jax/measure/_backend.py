"""What latencies are measured on."""

from __future__ import annotations

import os
import pathlib
import platform

import jax
import jaxlib


def backend_info() -> dict[str, str | int]:
  """Versions and hardware of the local backend, for records.

  Returns:
    `jax`, `jaxlib` (versions), `backend` (platform), `device_kind`, `cpu`
    (model name), `cores` (cores this process may use).

  Example:
    >>> sorted(backend_info())
    ['backend', 'cores', 'cpu', 'device_kind', 'jax', 'jaxlib']
  """
  device = jax.devices()[0]
  return {
      'jax': jax.__version__,
      'jaxlib': jaxlib.__version__,
      'backend': device.platform,
      'device_kind': device.device_kind,
      'cpu': _cpu_model(),
      'cores': _num_cores(),
  }


def _num_cores() -> int:
  """Cores the scheduler grants this process, where the system tells."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _cpu_model() -> str:
  """Model name of the processor; its architecture where it has no name."""
  cpuinfo = pathlib.Path('/proc/cpuinfo')
  if cpuinfo.is_file():
    for line in cpuinfo.read_text('utf-8', 'replace').splitlines():
      label, _, value = line.partition(':')
      if label.strip() == 'model name' and value.strip():
        return value.strip()
  return platform.processor() or platform.machine() or 'unknown'
