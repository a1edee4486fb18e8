"""Files a person reads and writes: measurements, predictions, summaries."""

from nasflat_jax.reports._finalists import DeviceReport
from nasflat_jax.reports._finalists import write_finalists
from nasflat_jax.reports._folder import Evaluation
from nasflat_jax.reports._folder import write_folder
from nasflat_jax.reports._frontier import fastest_per_flops
from nasflat_jax.reports._frontier import format_table
from nasflat_jax.reports._frontier import FrontierRow
from nasflat_jax.reports._measurements import MeasurementFile
from nasflat_jax.reports._measurements import read_architectures
from nasflat_jax.reports._measurements import read_measurements
from nasflat_jax.reports._measurements import read_values
from nasflat_jax.reports._plot import plot_latency
from nasflat_jax.reports._plot_front import plot_front
from nasflat_jax.reports._plot_matrix import plot_matrix
from nasflat_jax.reports._plot_proxy import plot_proxy
from nasflat_jax.reports._results import atomic_path
from nasflat_jax.reports._results import write_architectures
from nasflat_jax.reports._results import write_measurements
from nasflat_jax.reports._results import write_predictions
from nasflat_jax.reports._results import write_summary

__all__ = (
    'DeviceReport',
    'Evaluation',
    'FrontierRow',
    'MeasurementFile',
    'atomic_path',
    'fastest_per_flops',
    'format_table',
    'plot_front',
    'plot_latency',
    'plot_matrix',
    'plot_proxy',
    'read_architectures',
    'read_measurements',
    'read_values',
    'write_architectures',
    'write_finalists',
    'write_folder',
    'write_measurements',
    'write_predictions',
    'write_summary',
)
