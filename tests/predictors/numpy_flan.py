"""The FLAN network in NumPy float64, written with loops over nodes.

Independent of the package but for the layers of `numpy_nasflat`: it reads a
parameter tree and plain arrays.
"""

import numpy as np
import numpy_nasflat

_LAYERS = 5


def network(params, spec, attributes, token, architecture, *, time_steps=2):
  """The score of one architecture, dead nodes cut off and skips contracted.

  Args:
    params: tree of float64 arrays.
    spec: the space's description.
    attributes: `[O, A]` of the operations.
    token: number of the space.
    architecture: dict of NumPy fields of `Architectures`, no batch axis.
    time_steps: runs of the forward network.
  """
  cells = [
      _cell(params, spec, attributes, token, architecture, c, time_steps)
      for c in range(spec.num_cells)
  ]
  merged = np.concatenate([cells[0], cells[-1]])
  parts = [numpy_nasflat.mlp(params['merge'], merged)]
  if len(architecture['encoding']):
    parts.append(
        numpy_nasflat.mlp(params['supplementary'], architecture['encoding'])
    )
  hidden = numpy_nasflat.mlp(
      params['head'], np.concatenate(parts), activate_last=True
  )
  return float(numpy_nasflat.linear(params['score'], hidden)[0])


def _cell(params, spec, attributes, token, architecture, c, time_steps):
  size = spec.num_nodes
  live = architecture['live_mask'][c]
  skips = [spec.operators[op].kind == 'skip' for op in architecture['ops'][c]]
  feeds = numpy_nasflat.predecessors(
      spec.edges,
      [
          wired and live[sender] and live[receiver]
          for (sender, receiver), wired in zip(
              spec.edges, architecture['edge_mask'][c], strict=True
          )
      ],
      size,
  )
  feeds = [
      [] if skips[i] else sorted(_through(feeds, skips, i))
      for i in range(size)
  ]
  follows = [[j for j in range(size) if i in feeds[j]] for i in range(size)]

  operations = []
  for i, op in enumerate(architecture['ops'][c]):
    row = attributes[op] @ params['kinds']['kernel'] + params['tokens'][token]
    if i == 0:
      row = np.zeros_like(row)
    if i == size - 1:
      row = params['output']
    operations.append(row)
  operations = np.stack(operations)

  nodes = []
  for i in range(size):
    start = params['start' if i == 0 else 'other']
    place = 2.0 * i / (size - 1) - 1.0
    polynomials = np.array([
        place,
        (3 * place**2 - 1) / 2,
        (5 * place**3 - 3 * place) / 2,
        (35 * place**4 - 30 * place**2 + 3) / 8,
    ])
    row = numpy_nasflat.linear(params['project'], start)
    if len(spec.edges) == size - 1:  # a chain
      row = row + polynomials @ params['places']['kernel']
    nodes.append(row)
  nodes = np.stack(nodes)

  hidden = _stack(params['forward'], nodes, operations, feeds)
  for _ in range(time_steps - 1):
    message = np.zeros_like(hidden)
    message[-1] = numpy_nasflat.mlp(params['feedback'], hidden[-1])
    returned = _stack(params['backward'], message, operations, follows)
    operations = np.stack([
        operations[i] + 0.1 * numpy_nasflat.mlp(
            params['update'],
            np.concatenate([operations[i], hidden[i], returned[i]]),
        )
        for i in range(size)
    ])
    hidden = _stack(params['forward'], nodes, operations, feeds)
  read = [
      hidden[i]
      for i in range(1, size)
      if i == size - 1
      or (live[i] and architecture['node_mask'][c][i] and not skips[i])
  ]
  return sum(read) / len(read)


def _through(feeds, skips, i):
  """What feeds a node, directly or through skips."""
  found = set()
  for j in feeds[i]:
    found |= _through(feeds, skips, j) if skips[j] else {j}
  return found


def _stack(params, nodes, operations, feeds):
  hidden = numpy_nasflat.layer_ensemble(
      params['first'], nodes, operations, feeds
  )
  deeper = params['deeper']['layer']
  for depth in range(_LAYERS - 1):
    layer = _at(deeper, depth)
    hidden = numpy_nasflat.layer_ensemble(
        layer, numpy_nasflat.relu(hidden), operations, feeds
    )
  return hidden


def _at(tree, depth):
  if isinstance(tree, dict):
    return {name: _at(branch, depth) for name, branch in tree.items()}
  return tree[depth]
