"""ShuffleNet V1 in full size, put together from the course's unit, to compare with the paper's table 1."""

from edgelab.train.networks.blocks import conv_bn, shuffle_unit

# Channels after stages 2, 3 and 4 at width 1x, and complexity in millions of multiply-adds: Zhang et al. 2018, table 1.
CHANNELS = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
MILLION_MACS = {1: 143, 2: 140, 3: 137, 4: 133, 8: 137}


def shufflenet_v1(groups: int = 3, side: int = 224, classes: int = 1000):
    """Return ShuffleNet V1 1x: stages of 1 + 3, 1 + 7 and 1 + 3 units; the first pointwise is not grouped."""
    from keras import Input, Model, layers

    image = Input((side, side, 3))
    x = layers.MaxPooling2D(3, 2, "same")(conv_bn(image, 24, stride=2))
    for stage, (filters, repeats) in enumerate(zip(CHANNELS[groups], (3, 7, 3), strict=True)):
        x = shuffle_unit(x, filters, groups, stride=2, first_groups=1 if stage == 0 else groups)
        for _ in range(repeats):
            x = shuffle_unit(x, filters, groups)
    return Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)), name=f"shufflenet_v1_g{groups}")
