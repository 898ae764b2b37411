"""EfficientNet in full size, put together from the course's block, to compare with keras.applications."""

from edgelab.train.networks.blocks import conv_bn, mbconv
from edgelab.train.networks.scaling import round_filters, round_repeats

# Kernel, repeats, filters, expansion, stride: Tan and Le 2019, table 1.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


def efficientnet(width: float = 1.0, depth: float = 1.0, side: int = 224, classes: int = 1000):
    """Return EfficientNet, B0 unless scaled, from standardised images to logits."""
    from keras import Input, Model, layers

    image = Input((side, side, 3))
    x = layers.Activation("swish")(conv_bn(image, round_filters(32, width), stride=2, relu=False))
    for size, repeats, filters, expansion, stride in STAGES:
        for i in range(round_repeats(repeats, depth)):
            x = mbconv(x, round_filters(filters, width), expansion, size, 1 if i else stride, swish=True)
    x = layers.Activation("swish")(conv_bn(x, round_filters(1280, width), size=1, relu=False))
    return Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)), name="efficientnet")
