"""The choices of flags that name a part of the package.

Written out, so that a wrong flag is refused before anything heavy is imported;
tests compare them with the package.
"""

ADAPTATIONS = ('both', 'fine_tune', 'head')
DEVICE_REPRESENTATIONS = ('operation', 'head', 'latency_vector', 'both')
ENCODINGS = (
    'costs', 'none', 'one_hot', 'op_counts', 'live_op_counts', 'total_costs',
    'live_costs', 'roofline', 'topology', 'positions', 'placed_costs', 'zcp',
    'arch2vec', 'cate', 'caz', 'help_bits', 'unified_arch2vec', 'unified_cate',
)
LAYERS = ('dense_graph_flow', 'graph_attention', 'layer_ensemble')
PREDICTORS = (*LAYERS, 'gcn', 'encoding_mlp')
