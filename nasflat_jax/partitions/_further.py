"""Device splits beside the published twelve, as data.

`OFA-*`: HELP's twelve GPU columns on Once-for-All, each GPU in turn at three
batch sizes as target and the other three as source. `OneProxy-*`: the 18
columns of OneProxy on 1,999 NAS-Bench-201 cells, each of its three sets in
turn as target.

Note:
  Twelve of OneProxy's columns are rows of the NAS-Bench-201 study's table, on
  fewer cells: the `eagle_*`, and `rice_eyeriss`, `rice_fpga`, `rice_pixel3`
  and `rice_raspi4`. Only `rice_edgegpu`, `rice_edgetpu` and the `true_*` are
  devices that the published splits lack. The sets share hardware: `eagle_tpu`
  and `rice_edgetpu` are Edge TPUs, `eagle_gpu_855` and `true_640` Adreno 640.
"""

from __future__ import annotations

from nasflat_jax.types import Partition

_GPUS = ('2080ti', 'titan_rtx', 'titan_xp', 'v100')
_BATCH_SIZES = (1, 32, 64)

_ONEPROXY_SETS = {
    'eagle': (
        'eagle_cpu_855',
        'eagle_dsp_855',
        'eagle_gpu_855',
        'eagle_gtx',
        'eagle_i7',
        'eagle_jetson',
        'eagle_jetson_16',
        'eagle_tpu',
    ),
    'rice': (
        'rice_edgegpu',
        'rice_edgetpu',
        'rice_eyeriss',
        'rice_fpga',
        'rice_pixel3',
        'rice_raspi4',
    ),
    'true': (
        'true_630',
        'true_640',
        'true_a76',
        'true_vpu',
    ),
}


def _each_in_turn(
    prefix: str,
    space: str,
    sets: dict[str, tuple[str, ...]],
    table: str | None = None,
) -> tuple[Partition, ...]:
  """One split for each set of devices: it is the target, the rest is source."""
  return tuple(
      Partition(
          name=f'{prefix}-{name}',
          space=space,
          source=tuple(
              device
              for other, devices in sets.items()
              if other != name
              for device in devices
          ),
          target=target,
          table=table,
      )
      for name, target in sets.items()
  )


OFA: tuple[Partition, ...] = _each_in_turn(
    'OFA',
    'ofa',
    {gpu: tuple(f'{gpu}_{size}' for size in _BATCH_SIZES) for gpu in _GPUS},
)

ONEPROXY: tuple[Partition, ...] = _each_in_turn(
    'OneProxy', 'nasbench201', _ONEPROXY_SETS, table='oneproxy_nasbench201'
)
