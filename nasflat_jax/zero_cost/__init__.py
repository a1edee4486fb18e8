"""Zero-cost proxies: scores of untrained networks, by one compiled program."""

from nasflat_jax.zero_cost._batch import Batch
from nasflat_jax.zero_cost._batch import gaussian_batch
from nasflat_jax.zero_cost._batch import images_batch
from nasflat_jax.zero_cost._darts import darts
from nasflat_jax.zero_cost._fbnet import fbnet
from nasflat_jax.zero_cost._images import Images
from nasflat_jax.zero_cost._images import load_images
from nasflat_jax.zero_cost._images import read_cifar
from nasflat_jax.zero_cost._module import score_module
from nasflat_jax.zero_cost._nasbench101 import nasbench101
from nasflat_jax.zero_cost._nasbench201 import nasbench201
from nasflat_jax.zero_cost._net import Net
from nasflat_jax.zero_cost._network import default_initial
from nasflat_jax.zero_cost._network import fan_out_normal
from nasflat_jax.zero_cost._network import kaiming_normal
from nasflat_jax.zero_cost._network import Network
from nasflat_jax.zero_cost._network import network
from nasflat_jax.zero_cost._network import Params
from nasflat_jax.zero_cost._networks import default
from nasflat_jax.zero_cost._passes import QUANTITIES
from nasflat_jax.zero_cost._plan import Job
from nasflat_jax.zero_cost._plan import join
from nasflat_jax.zero_cost._plan import Plan
from nasflat_jax.zero_cost._plan import plan
from nasflat_jax.zero_cost._proxies import ALL
from nasflat_jax.zero_cost._proxies import epe_nas
from nasflat_jax.zero_cost._proxies import fisher
from nasflat_jax.zero_cost._proxies import flops
from nasflat_jax.zero_cost._proxies import get
from nasflat_jax.zero_cost._proxies import grad_norm
from nasflat_jax.zero_cost._proxies import grasp
from nasflat_jax.zero_cost._proxies import jacov
from nasflat_jax.zero_cost._proxies import l2_norm
from nasflat_jax.zero_cost._proxies import nwot
from nasflat_jax.zero_cost._proxies import params
from nasflat_jax.zero_cost._proxies import plain
from nasflat_jax.zero_cost._proxies import Proxy
from nasflat_jax.zero_cost._proxies import snip
from nasflat_jax.zero_cost._proxies import synflow
from nasflat_jax.zero_cost._proxies import zen
from nasflat_jax.zero_cost._score import score
from nasflat_jax.zero_cost._steps import AvgPool
from nasflat_jax.zero_cost._steps import Channels
from nasflat_jax.zero_cost._steps import Conv
from nasflat_jax.zero_cost._steps import Corner
from nasflat_jax.zero_cost._steps import MaxPool
from nasflat_jax.zero_cost._steps import Norm
from nasflat_jax.zero_cost._steps import Relu
from nasflat_jax.zero_cost._steps import Shuffle
from nasflat_jax.zero_cost._steps import Zero
from nasflat_jax.zero_cost._transnas import transnas_micro
from nasflat_jax.zero_cost._vote import rank_average
from nasflat_jax.zero_cost._vote import vote

__all__ = [
    'ALL',
    'AvgPool',
    'Batch',
    'Channels',
    'Conv',
    'Corner',
    'Images',
    'Job',
    'MaxPool',
    'Net',
    'Network',
    'Norm',
    'Params',
    'Plan',
    'Proxy',
    'QUANTITIES',
    'Relu',
    'Shuffle',
    'Zero',
    'darts',
    'default',
    'default_initial',
    'epe_nas',
    'fan_out_normal',
    'fbnet',
    'fisher',
    'flops',
    'gaussian_batch',
    'get',
    'grad_norm',
    'grasp',
    'images_batch',
    'jacov',
    'join',
    'kaiming_normal',
    'l2_norm',
    'load_images',
    'nasbench101',
    'nasbench201',
    'network',
    'nwot',
    'params',
    'plain',
    'plan',
    'rank_average',
    'read_cifar',
    'score',
    'score_module',
    'snip',
    'synflow',
    'transnas_micro',
    'vote',
    'zen',
]
