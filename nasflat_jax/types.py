"""The vocabulary of the library: pytrees, function pairs and host records.

Shapes use one letter each: `B` batch, `G` genes, `C` cells, `V` nodes, `E`
edge slots, `O` operations, `F` encoding width, `D` devices, `N` architectures
of a table, `R` reference architectures. A component is a `NamedTuple` of pure
functions made by a keyword-only factory; state in, state and info out.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any, NamedTuple, Protocol

import chex
import jax


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Architectures:
  """A batch of architectures of one space, as graphs.

  Attributes:
    genotype: `[B, G]` int32, the identity of an architecture.
    ops: `[B, C, V]` int32, index into `spec.op_names`; input and output nodes
      have operations of their own.
    edge_mask: `[B, C, E]` True where the slot of `spec.edges` is wired.
    node_mask: `[B, C, V]` False where a node slot is unused.
    live_mask: `[B, C, V]` True where a node lies on a path from input to
      output that no `none` operation cuts.
    encoding: `[B, F]` float32, supplementary encoding; `F = 0` if unused.
  """

  genotype: chex.Array  # [B, G]
  ops: chex.Array  # [B, C, V]
  edge_mask: chex.Array  # [B, C, E]
  node_mask: chex.Array  # [B, C, V]
  live_mask: chex.Array  # [B, C, V]
  encoding: chex.Array  # [B, F]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Devices:
  """Devices aligned with a batch of architectures.

  Attributes:
    index: `[B]` int32, row of the hardware embedding table.
    reference: `[B, R]` float32, normalised latencies of the reference
      architectures on the device; `R = 0` if unused.
  """

  index: chex.Array  # [B]
  reference: chex.Array  # [B, R]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
  """Labelled (architecture, device) items.

  Attributes:
    architectures: `B` architectures.
    devices: `B` devices.
    label: `[B]` float32, normalised latency (see `Normalizer`), never raw ms.
    where: `[B]` bool, False rows are padding.
  """

  architectures: Architectures
  devices: Devices
  label: chex.Array  # [B]
  where: chex.Array  # [B]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
  """What meta-learning sees of one device; stack on a leading axis and vmap.

  Attributes:
    support: rows to adapt on.
    query: other rows of the same device, to judge the adapted network on.
  """

  support: Batch
  query: Batch


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Costs:
  """Analytic costs of networks, or of each of their operations.

  Every field has the same shape: `[B]` for a network, `[B, G]` for the
  operation chosen by each gene. Counts are exact in float64 (NumPy input) and
  rounded to float32 under `jit` (JAX input).

  Attributes:
    multiply_adds: multiply-accumulate operations of convolutions and linear
      layers.
    flops: the count of NAS-Bench-Suite-Zero and NASFLAT: multiply-adds plus
      elementwise terms (see `spaces`).
    params: trainable parameters, in units.
    weight_bytes: bytes of weights read once per pass, float32.
    activation_bytes: bytes of activations read and written, float32.
    kernels: kernels launched by a framework that fuses convolution, batch
      normalisation and activation.
    critical_path: kernels on the longest chain of dependent operations.
  """

  multiply_adds: chex.Array
  flops: chex.Array
  params: chex.Array
  weight_bytes: chex.Array
  activation_bytes: chex.Array
  kernels: chex.Array
  critical_path: chex.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
  """Predicted latency; a field is None where the method has none.

  Attributes:
    latency_ms: `[B]` milliseconds.
    std_ms: `[B]` standard deviation, milliseconds.
    lower_ms: `[B]` lower end of the central 90 % interval, milliseconds.
    upper_ms: `[B]` upper end of the central 90 % interval, milliseconds.
  """

  latency_ms: chex.Array  # [B]
  std_ms: chex.Array | None = None  # [B]
  lower_ms: chex.Array | None = None  # [B]
  upper_ms: chex.Array | None = None  # [B]


@dataclasses.dataclass(frozen=True)
class Operator:
  """What an operation is, in words that mean the same in every space.

  Operations of two spaces that do the same have equal operators; width, size
  and, in most spaces, stride belong to the position, not to the operator.

  Attributes:
    kind: `conv`, `inverted_residual` (expand, depthwise, project), `residual`
      (two convolutions and a shortcut), `max_pool`, `avg_pool`, `skip`,
      `none`, `sum`, `concat`, `resolution`, `width`, `depth`, `input`,
      `output`, or `absent` for a code that no node takes, as one of the
      wiring.
    kernel: height and width of the window; two that differ stand for a
      convolution of that window and one of the transposed one.
    dilation: of the convolution.
    groups: of the 1x1 convolutions of a block, or of a plain convolution.
    expansion: channels inside a block over those of its input; of a
      `residual`, channels of its output over those of its input.
    stride: where the choice of the operation decides it, otherwise 1.
    separable: depthwise, then pointwise.
    repeats: how often the operation is applied in a row.
    size: side of the image that a `resolution` stands for, channels of a
      `width`, cells of a `depth`, otherwise 0.
  """

  kind: str
  kernel: tuple[int, int] = (1, 1)
  dilation: int = 1
  groups: int = 1
  expansion: int = 1
  stride: int = 1
  separable: bool = False
  repeats: int = 1
  size: int = 0


@dataclasses.dataclass(frozen=True)
class SpaceSpec:
  """What is fixed about a search space. Static: hashes by value.

  Attributes:
    name: the space's name, e.g. `nasbench201`.
    gene_names: `O_g` names of the codes that genes take.
    op_names: names of node operations, `gene_names` first, `input` and
      `output` last, between them what nodes do that no gene chooses.
    operators: what each of `op_names` is; see `spaces.operator_attributes`.
    num_genes: G.
    num_cells: C.
    num_nodes: V.
    edges: the E slots `(sender, receiver)` any member may use, `sender <
      receiver`.
    node_features: `[V][K]` floats that belong to the position: channels,
      stride and resolution, scaled to order one; `K` may be 0.
    op_features: `[V][O][P]` floats: analytic costs of operation `o` at node
      `v`, scaled to order one; `P` may be 0.
    size: number of members; None where the space cannot be enumerated.
    gene_ranges: for each gene its first code and one past its last; None where
      every gene may take every code.
  """

  name: str
  gene_names: tuple[str, ...]
  op_names: tuple[str, ...]
  operators: tuple[Operator, ...]
  num_genes: int
  num_cells: int
  num_nodes: int
  edges: tuple[tuple[int, int], ...]
  node_features: tuple[tuple[float, ...], ...]
  op_features: tuple[tuple[tuple[float, ...], ...], ...]
  size: int | None
  gene_ranges: tuple[tuple[int, int], ...] | None = None


class SearchSpace(NamedTuple):
  """A search space as pure functions; one module constant per space.

  Attributes:
    spec: the static description.
    decode: `genotype [B, G] -> Architectures`.
    random: `(key, n) -> genotype [n, G]`.
    mutate: `(key, genotype [B, G]) -> genotype [B, G]`, one gene changed.
    crossover: `(key, a [B, G], b [B, G]) -> genotype [B, G]`.
    is_valid: `genotype [B, G] -> [B] bool`.
    costs: `(genotype [B, G], setting=...) -> Costs` of whole networks, `[B]`.
    op_costs: the same for each gene's operation, `[B, G]`.
    to_string: host; `genotype [B, G] -> list` of canonical strings.
    from_string: host; strings `-> genotype [B, G]` NumPy int32; `ValueError`
      naming the string and its place.
    to_index: `genotype [B, G] -> [B]` int32, the member's number in 0 to
      `size - 1`, in the order of `spaces.members`; None where it does not fit
      (see `spaces.index_of`).
    from_index: `[B]` int32 `-> genotype [B, G]`; None where `to_index` is.
  """

  spec: SpaceSpec
  decode: Callable[..., Architectures]
  random: Callable[..., jax.Array]
  mutate: Callable[..., jax.Array]
  crossover: Callable[..., jax.Array]
  is_valid: Callable[..., jax.Array]
  costs: Callable[..., Costs]
  op_costs: Callable[..., Costs]
  to_string: Callable[..., list[str]]
  from_string: Callable[..., Any]
  to_index: Callable[..., jax.Array] | None = None
  from_index: Callable[..., jax.Array] | None = None


class Predictor(NamedTuple):
  """A scoring network as a pair of pure functions. Higher scores are slower.

  Attributes:
    init: `(key, architectures, devices) -> params`.
    apply: `(params, architectures, devices, *, key=None) -> scores [B]`; with
      `key=None` the call is deterministic.
  """

  init: Callable[..., chex.ArrayTree]
  apply: Callable[..., jax.Array]


class TransferState(NamedTuple):
  """What the next pretraining step needs.

  Attributes:
    meta_params: whatever `adapt` starts from.
    opt_state: the optimiser's state.
    step: `[]` int32, steps taken.
  """

  meta_params: chex.ArrayTree
  opt_state: chex.ArrayTree
  step: chex.Array


class TransferInfo(NamedTuple):
  """What a person wants to see of a step.

  Attributes:
    loss: `[]`.
    grad_norm: `[]` global norm of the gradient.
  """

  loss: chex.Array
  grad_norm: chex.Array


class TransferAlgorithm(NamedTuple):
  """Pretraining on source devices and adaptation to a target device.

  Attributes:
    init: `(key, source) -> TransferState`; `source` is a `Batch`, or for
      meta-learning an `Episode` stacked on a leading axis.
    step: `(key, state, source) -> (TransferState, TransferInfo)`.
    adapt: `(key, meta_params, support: Batch) -> params` for
      `Predictor.apply`; vmap it over target devices and trials.
  """

  init: Callable[..., TransferState]
  step: Callable[..., tuple[TransferState, TransferInfo]]
  adapt: Callable[..., chex.ArrayTree]


class Sampler(Protocol):
  """Chooses which architectures of a pool to measure."""

  def __call__(
      self,
      key: chex.PRNGKey,
      features: jax.Array,  # [N, F]
      *,
      num_samples: int,
      where: jax.Array | None = None,  # [N]
  ) -> jax.Array:  # [num_samples] int32, distinct
    ...


@dataclasses.dataclass(frozen=True)
class Device:
  """A piece of hardware whose latency a table holds. Host only.

  Attributes:
    name: the name in NASFLAT's task lists, e.g. `1080ti_32`.
    family: `gpu`, `cpu`, `phone`, `board`, `asic`, `fpga`, `dsp`, `tpu`, `vpu`
      or `host`.
    processor: the chip, e.g. `GTX 1080 Ti`.
    batch_size: images per measured pass; None where upstream does not say.
    precision: `fp32`, `fp16`, `int8` or `unknown`.
    unit: `ms`, `mJ` or another unit of the values.
    metric: `latency`, `energy` or `arithmetic_intensity`.
  """

  name: str
  family: str
  processor: str
  batch_size: int | None = None
  precision: str = 'unknown'
  unit: str = 'ms'
  metric: str = 'latency'


@dataclasses.dataclass(frozen=True)
class Partition:
  """A split of a table's devices into sources and targets. Host only.

  Attributes:
    name: the split's name, e.g. `ND`.
    space: the space's name.
    source: names of the devices to learn from.
    target: names of the devices to judge on.
    table: the name of the latency table that has them, as `data.load` takes
      it; None is the joined table of the space's study, `data.load_latency`.
  """

  name: str
  space: str
  source: tuple[str, ...]
  target: tuple[str, ...]
  table: str | None = None


@dataclasses.dataclass(frozen=True)
class Budget:
  """Measurements a method consumed for one target device. Host only.

  Attributes:
    source: measurements on all source devices together.
    reference: measurements of reference architectures on the target.
    target: support measurements on the target.
  """

  source: int
  reference: int
  target: int
