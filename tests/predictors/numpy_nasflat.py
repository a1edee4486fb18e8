"""The NASFLAT network in NumPy float64, written with loops over nodes.

Independent of the package: it reads a parameter tree and plain arrays, and
writes the layers the way the paper does, one node at a time.
"""

import math

import numpy as np


def sigmoid(x):
  return 1.0 / (1.0 + np.exp(-x))


def relu(x):
  return np.maximum(x, 0.0)


def linear(params, x):
  dense = params.get('Dense_0', params)
  return x @ dense['kernel'] + dense.get('bias', 0.0)


def mlp(params, x, *, activate_last=False):
  depth = len(params)
  for i in range(depth):
    x = linear(params[f'Linear_{i}'], x)
    if i + 1 < depth or activate_last:
      x = relu(x)
  return x


def predecessors(edges, edge_mask, num_nodes):
  """For each node, the nodes that feed it."""
  lists = [[] for _ in range(num_nodes)]
  for (sender, receiver), wired in zip(edges, edge_mask, strict=True):
    if wired:
      lists[receiver].append(sender)
  return lists


def dense_graph_flow(params, nodes, operations, feeds):
  support = nodes @ params['Dense_0']['kernel']
  rows = []
  for i, senders in enumerate(feeds):
    message = sum((support[j] for j in senders), np.zeros_like(support[i]))
    gate = sigmoid(linear(params['Linear_0'], operations[i]))
    rows.append(gate * message + support[i] + params['bias'])
  return np.stack(rows)


def attention_weights(params, nodes, feeds):
  """`[V, V]`: how much node i (row) takes of node j (column)."""
  z = nodes @ params['Linear_0']['Dense_0']['kernel']
  a = params['attention']
  weights = np.zeros((len(nodes), len(nodes)))
  for i, senders in enumerate(feeds):
    neighbours = [*senders, i]
    logits = []
    for j in neighbours:
      logit = float((a * z[i] * z[j]).sum()) / math.sqrt(len(a))
      logits.append(logit if logit > 0 else 0.01 * logit)
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    for j, power in zip(neighbours, powers, strict=True):
      weights[i, j] = power / sum(powers)
  return weights


def graph_attention(params, nodes, operations, feeds):
  z = nodes @ params['Linear_0']['Dense_0']['kernel']
  weights = attention_weights(params, nodes, feeds)
  norm = params['LayerNorm_0']
  rows = []
  for i in range(len(nodes)):
    mixed = sum(weights[i, j] * z[j] for j in range(len(nodes)))
    gated = sigmoid(linear(params['Linear_1'], operations[i])) * mixed
    centred = gated - gated.mean()
    normed = centred / math.sqrt((centred**2).mean() + 1e-5)
    rows.append(normed * norm['scale'] + norm['bias'])
  return np.stack(rows)


def layer_ensemble(params, nodes, operations, feeds):
  flow = dense_graph_flow(params['DenseGraphFlow_0'], nodes, operations, feeds)
  mixed = graph_attention(params['GraphAttention_0'], nodes, operations, feeds)
  return (flow + mixed) / 2


def network(
    params,
    spec,
    architecture,
    device_index,
    mode,
    layer=layer_ensemble,
    reference=None,
):
  """The score of one architecture on one device.

  Args:
    params: tree of float64 arrays.
    spec: the space's description.
    architecture: dict of NumPy fields of `Architectures`, no batch axis.
    device_index: row of the hardware embedding.
    mode: `operation`, `head`, `latency_vector` or `both`.
    layer: one of the three layers above.
    reference: latencies of the device, for the last two modes.
  """
  device = 0.0
  if mode != 'latency_vector':
    device = device + params['device_embedding'][device_index]
  if mode in ('latency_vector', 'both'):
    device = device + linear(params['latency_vector'], reference)
  pooled = []
  for c in range(spec.num_cells):
    pooled.append(_cell(params, spec, architecture, c, device, mode, layer))
  parts = list(pooled)
  if mode == 'head':
    hidden = relu(linear(params['Linear_0'], device))
    parts.append(linear(params['Linear_1'], hidden))
  if len(architecture['encoding']):
    parts.append(mlp(params['supplementary'], architecture['encoding']))
  hidden = mlp(params['head'], np.concatenate(parts), activate_last=True)
  return float(linear(params['score'], hidden)[0])


def _cell(params, spec, architecture, c, device, mode, layer):
  feeds = predecessors(
      spec.edges, architecture['edge_mask'][c], spec.num_nodes
  )
  operations = _operations(
      params[f'operations_{c}'],
      spec,
      architecture['ops'][c],
      architecture['live_mask'][c],
      None if mode == 'head' else device,
  )
  nodes = []
  for i in range(spec.num_nodes):
    start = params[f'input_{c}' if i == 0 else f'other_{c}']
    row = linear(params[f'nodes_{c}'], start)
    if len(spec.node_features[i]):
      position = params[f'position_{c}']['kernel']
      row = row + np.asarray(spec.node_features[i]) @ position
    nodes.append(row)
  nodes = np.stack(nodes)

  hidden = layer(params[f'op_pass_{c}_0'], nodes, operations, feeds)
  hidden = layer(params[f'op_pass_{c}_1'], relu(hidden), operations, feeds)
  feedback = mlp(params[f'backward_{c}'], hidden[-1])
  refined = np.stack([
      mlp(params[f'refine_{c}'], np.concatenate([row, feedback]))
      for row in operations
  ])
  hidden = layer(params[f'forward_{c}_0'], nodes, refined, feeds)
  hidden = layer(params[f'forward_{c}_1'], relu(hidden), refined, feeds)
  hidden = layer(params[f'forward_{c}_2'], relu(hidden), refined, feeds)
  used = [
      i for i in range(1, spec.num_nodes) if architecture['node_mask'][c][i]
  ]
  return sum(hidden[i] for i in used) / len(used)


def _operations(params, spec, ops, live, device):
  width = params['output'].shape[0]
  rows = [np.zeros(width)]
  for i in range(1, spec.num_nodes - 1):
    row = params['table'][ops[i]] + params['liveness'][int(live[i])]
    if len(spec.op_features[i][ops[i]]):
      costs = np.asarray(spec.op_features[i][ops[i]])
      row = row + linear(params['Linear_0'], costs)
    rows.append(row if device is None else np.concatenate([row, device]))
  rows.append(params['output'])
  return np.stack(rows)
