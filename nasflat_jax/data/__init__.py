"""Tables: where they come from and how they are held.

`load_latency(space)` gives the joined table of a study, `load(name)` one
table, `load_zero_cost(space)` the zero-cost proxies and `load_accuracy(space)`
the trained accuracies of a space. `prepare`
downloads, verifies and converts; `nasflat-data` runs it.
"""

from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._atomic import replacing
from nasflat_jax.data._devices import NEAR_DUPLICATES
from nasflat_jax.data._devices import SYNTHETIC
from nasflat_jax.data._download import BASE_URL
from nasflat_jax.data._download import fetch
from nasflat_jax.data._latency_table import fingerprint
from nasflat_jax.data._latency_table import LatencyTable
from nasflat_jax.data._manifest import select as select_sources
from nasflat_jax.data._manifest import Source
from nasflat_jax.data._manifest import sources
from nasflat_jax.data._manifest import UpstreamFile
from nasflat_jax.data._nds import NdsTable
from nasflat_jax.data._nds import read_nds
from nasflat_jax.data._prepare import prepare
from nasflat_jax.data._resolve import cache_dir
from nasflat_jax.data._resolve import data_dir
from nasflat_jax.data._resolve import join
from nasflat_jax.data._resolve import load
from nasflat_jax.data._resolve import load_accuracy
from nasflat_jax.data._resolve import load_latency
from nasflat_jax.data._resolve import load_zero_cost
from nasflat_jax.data._resolve import own_zero_cost
from nasflat_jax.data._task import Task
from nasflat_jax.data._tasks import load_task
from nasflat_jax.data._tasks import metrics
from nasflat_jax.data._tasks import siblings
from nasflat_jax.data._tasks import tasks
from nasflat_jax.data._zero_cost import PROXIES
from nasflat_jax.data._zero_cost import ZeroCostTable

__all__ = [
    'AccuracyTable',
    'BASE_URL',
    'LatencyTable',
    'NEAR_DUPLICATES',
    'NdsTable',
    'PROXIES',
    'SYNTHETIC',
    'Source',
    'Task',
    'UpstreamFile',
    'ZeroCostTable',
    'cache_dir',
    'data_dir',
    'fetch',
    'fingerprint',
    'join',
    'load',
    'load_accuracy',
    'load_latency',
    'load_task',
    'load_zero_cost',
    'metrics',
    'own_zero_cost',
    'prepare',
    'read_nds',
    'replacing',
    'select_sources',
    'siblings',
    'sources',
    'tasks',
]
