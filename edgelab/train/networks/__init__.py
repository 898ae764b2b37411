"""The networks of the course: light blocks, named models, plans in one line, and a search among plans."""

from edgelab.train.networks.blocks import (
    channel_shuffle,
    check_groups,
    check_shuffle,
    check_sizes,
    check_stride,
    conv_bn,
    depthwise_bn,
    depthwise_separable,
    group_conv_bn,
    inverted_residual,
    mbconv,
    separable,
    shuffle_branch_channels,
    shuffle_unit,
    squeeze_excite,
)
from edgelab.train.networks.family import Recipe, Step, light, parse_plan, train_recipe
from edgelab.train.networks.imagenet import imagenet_backbone, to_backbone_input
from edgelab.train.networks.models import (
    best,
    build,
    dense128,
    efficientnet_small,
    gru64,
    mobilenet_v1_small,
    mobilenet_v2_small,
    names,
    shufflenet_small,
    small,
    small_cnn,
    tiny,
    to_keras_bytes,
)
from edgelab.train.networks.scaling import Scaling, compound_scaling, round_filters, round_repeats
from edgelab.train.networks.search import (
    PlanCost,
    Trial,
    check_search,
    plan_cost,
    random_plans,
    sample_plan,
    successive_halving,
    winner,
)
