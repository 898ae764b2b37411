"""Building blocks of light convolutional networks: Keras tensors in, Keras tensors out, NHWC."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras import KerasTensor


def conv_bn(x: KerasTensor, filters: int, size: int = 3, stride: int = 1, relu: bool = True) -> KerasTensor:
    """Convolve, apply BatchNorm and, if relu is true, ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). The convolution has no bias: BatchNorm's shift
    replaces it. BatchNorm's running averages have momentum 0.9: with Keras' 0.99 they would lag in a short training.
    Source: Ioffe and Szegedy 2015, section 3.2.

    >>> from keras import Input
    >>> conv_bn(Input((28, 28, 1)), 8, stride=2).shape
    (None, 14, 14, 8)
    """
    from keras import layers

    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def depthwise_bn(x: KerasTensor, size: int = 3, stride: int = 1, relu: bool = True) -> KerasTensor:
    """Convolve each channel with a kernel of its own, apply BatchNorm and, if relu is true, ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, c). Source: Howard et al. 2017 (MobileNet), section 3.1.

    >>> from keras import Input
    >>> depthwise_bn(Input((14, 14, 8)), stride=2).shape
    (None, 7, 7, 8)
    """
    from keras import layers

    x = layers.DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def depthwise_separable(x: KerasTensor, filters: int, size: int = 3, stride: int = 1) -> KerasTensor:
    """Apply MobileNetV1's block: a depthwise convolution, then a pointwise (1×1) one, each with BatchNorm and ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). Its MACs are 1 / filters + 1 / size² of those of
    the full convolution. Source: Howard et al. 2017 (MobileNet), section 3.1, figure 3.

    >>> from keras import Input
    >>> depthwise_separable(Input((14, 14, 8)), 16, stride=2).shape
    (None, 7, 7, 16)
    """
    return conv_bn(depthwise_bn(x, size, stride), filters, size=1)


def separable(x: KerasTensor, filters: int, size: int = 3, stride: int = 1) -> KerasTensor:
    """Apply a depthwise, then a pointwise convolution, nothing between them, no padding; then BatchNorm and ReLU.

    x: (n, h, w, c). Returns (n, ⌈(h - size + 1) / stride⌉, ⌈(w - size + 1) / stride⌉, filters). MobileNet has BatchNorm
    and ReLU between the two; the smallest networks save those parameters: size² c + c filters + filters after folding.
    Source: Chollet 2017 (Xception), section 4.7, which compares both.

    >>> from keras import Input
    >>> separable(Input((14, 14, 8)), 16).shape
    (None, 12, 12, 16)
    """
    from keras import layers

    return conv_bn(layers.DepthwiseConv2D(size, strides=stride, use_bias=False)(x), filters, size=1)


def inverted_residual(x: KerasTensor, filters: int, expansion: int = 6, size: int = 3, stride: int = 1) -> KerasTensor:
    """Apply MobileNetV2's block: widen by a 1×1, convolve depthwise, narrow by a linear 1×1, add the input.

    x: (n, h, w, c). expansion: the middle has expansion × c channels; with 1 there is no first 1×1. Returns
    (n, ⌈h / stride⌉, ⌈w / stride⌉, filters); the input is added only if stride is 1 and filters equals c.
    Source: Sandler et al. 2018 (MobileNetV2), section 3.3, table 1; with ReLU in place of ReLU6.

    >>> from keras import Input
    >>> inverted_residual(Input((14, 14, 8)), 16, stride=2).shape
    (None, 7, 7, 16)
    """
    from keras import layers

    channels = x.shape[-1]
    y = conv_bn(x, expansion * channels, size=1) if expansion > 1 else x
    y = conv_bn(depthwise_bn(y, size, stride), filters, size=1, relu=False)
    return layers.Add()([x, y]) if stride == 1 and filters == channels else y


def squeeze_excite(x: KerasTensor, ratio: int = 4, activation: str = "swish") -> KerasTensor:
    """Multiply each channel by a number in (0, 1), computed from all channels' means by two dense layers.

    x: (n, h, w, c). ratio: the first layer has c // ratio outputs, at least 1. activation: of the first layer. With
    the paper's "relu", all its outputs may be 0 for every image, and XNNPACK, a library that runs networks, refuses to
    run such a layer in int8. Returns x's shape. Raises ValueError for a ratio below 1. Source: Hu et al. 2018,
    section 3; its dense layers are 1×1 convolutions here.

    >>> from keras import Input
    >>> squeeze_excite(Input((7, 7, 16))).shape
    (None, 7, 7, 16)
    """
    from keras import layers

    check_sizes(ratio=ratio)
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(max(1, channels // ratio), 1, activation=activation)(y)
    y = layers.Conv2D(channels, 1, activation="sigmoid")(y)
    return layers.Multiply()([x, y])


def mbconv(
    x: KerasTensor,
    filters: int,
    expansion: int = 6,
    size: int = 3,
    stride: int = 1,
    ratio: int = 4,
    swish: bool = False,
) -> KerasTensor:
    """Apply EfficientNet's block: `inverted_residual` with `squeeze_excite` before the linear 1×1.

    x: (n, h, w, c). ratio: the squeeze has c // ratio outputs, c being the channels of x and not of the wide middle.
    swish: the paper's activation; the default, ReLU, needs no exponential. Returns (n, ⌈h / stride⌉, ⌈w / stride⌉,
    filters). Raises ValueError for an expansion or a ratio below 1, or a stride other than 1 or 2.
    Source: Tan and Le 2019 (EfficientNet), section 4, after Tan et al. 2019 (MnasNet), figure 7.

    >>> from keras import Input
    >>> mbconv(Input((14, 14, 8)), 16, expansion=4, size=5, stride=2).shape
    (None, 7, 7, 16)
    """
    from keras import layers

    check_sizes(stride, expansion=expansion)
    channels, activation = x.shape[-1], "swish" if swish else "relu"
    y = layers.Activation(activation)(conv_bn(x, expansion * channels, 1, relu=False)) if expansion > 1 else x
    y = layers.Activation(activation)(depthwise_bn(y, size, stride, relu=False))
    y = conv_bn(squeeze_excite(y, ratio * expansion), filters, 1, relu=False)
    return layers.Add()([x, y]) if stride == 1 and filters == channels else y


def channel_shuffle(x: KerasTensor, groups: int) -> KerasTensor:
    """Reorder the channels so that each group of the next group convolution gets channels of every group.

    x: (n, h, w, c), h and w not None. Channel k of group i moves to position k × groups + i. Returns x's shape;
    shuffling the result with c / groups restores x. Raises ValueError if h or w is None, or groups does not divide c.
    Source: Zhang et al. 2018 (ShuffleNet), section 3.1.

    >>> from keras import Input
    >>> channel_shuffle(Input((7, 7, 12)), 3).shape
    (None, 7, 7, 12)
    """
    from keras import layers

    _, height, width, channels = check_shuffle(x.shape, groups)
    if groups in (1, channels):
        return x  # no channel would move
    # With height and width in one axis, there are four axes to transpose: every runtime can do that.
    y = layers.Reshape((height * width, groups, channels // groups))(x)
    y = layers.Permute((1, 3, 2))(y)
    return layers.Reshape((height, width, channels))(y)


def group_conv_bn(
    x: KerasTensor, filters: int, groups: int, size: int = 1, stride: int = 1, relu: bool = True
) -> KerasTensor:
    """Convolve each group of channels by itself, apply BatchNorm and, if relu is true, ReLU.

    x: (n, h, w, c). Group i of the outputs (filters / groups channels) is computed from group i of the inputs
    (c / groups channels), so the MACs are 1 / groups of a full convolution's. Returns (n, ⌈h / stride⌉, ⌈w / stride⌉,
    filters). Parameters in Keras' count: size² c filters / groups + 4 filters. Raises ValueError if groups does not
    divide both c and filters.
    Source: Krizhevsky et al. 2012, section 3.2; Zhang et al. 2018 (ShuffleNet), section 3.1.

    >>> from keras import Input
    >>> group_conv_bn(Input((7, 7, 12)), 24, groups=3).shape
    (None, 7, 7, 24)
    """
    from keras import layers

    check_groups(groups, channels_of_x=x.shape[-1], filters=filters)
    x = layers.Conv2D(filters, size, strides=stride, padding="same", groups=groups, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def shuffle_unit(
    x: KerasTensor, filters: int, groups: int, stride: int = 1, first_groups: int | None = None
) -> KerasTensor:
    """Apply ShuffleNet's unit: grouped 1×1, channel shuffle, depthwise 3×3, grouped 1×1; then join the input.

    x: (n, h, w, c), h and w not None. The middle has filters / 4 channels. Stride 1 adds the input, so filters must be
    c; stride 2 concatenates x's 3×3 averages with filters - c computed channels. first_groups: groups of the first 1×1,
    by default `groups`. Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). Raises ValueError for another stride, or if
    groups does not divide the channels. Source: Zhang et al. 2018 (ShuffleNet), section 3.2, figure 2.

    >>> from keras import Input
    >>> shuffle_unit(Input((14, 14, 12)), 24, groups=3, stride=2).shape
    (None, 7, 7, 24)
    """
    from keras import layers

    branch = shuffle_branch_channels(x.shape[-1], filters, groups, stride)
    y = group_conv_bn(x, filters // 4, groups if first_groups is None else first_groups)
    y = depthwise_bn(channel_shuffle(y, groups), 3, stride, relu=False)
    y = group_conv_bn(y, branch, groups, relu=False)
    if stride == 1:
        return layers.ReLU()(layers.Add()([x, y]))
    return layers.ReLU()(layers.Concatenate()([layers.AveragePooling2D(3, 2, "same")(x), y]))


def shuffle_branch_channels(channels: int, filters: int, groups: int, stride: int) -> int:
    """Return how many channels a shuffle unit must compute, so that joined with its input they are `filters`.

    channels: of the unit's input. filters: of its output. groups: of its two pointwise convolutions. stride: 1 adds the
    computed channels to the input, 2 concatenates both. Raises ValueError for sizes that do not fit each other.
    Source: Zhang et al. 2018 (ShuffleNet), section 3.2 and figure 2.

    >>> shuffle_branch_channels(24, 240, groups=3, stride=2), shuffle_branch_channels(240, 240, groups=3, stride=1)
    (216, 240)
    """
    check_stride(stride)
    if filters % 4:
        raise ValueError(f"filters is {filters}; expected a multiple of 4: the middle has a quarter of them")
    if stride == 1 and filters != channels:
        raise ValueError(f"filters is {filters}, x has {channels} channels; with stride 1 they must be equal")
    if stride == 2 and filters <= channels:
        raise ValueError(f"filters is {filters}, x has {channels} channels; with stride 2 filters must exceed them")
    branch = filters if stride == 1 else filters - channels
    check_groups(groups, quarter_of_the_filters=filters // 4, channels_of_the_branch=branch)
    return branch


def check_shuffle(shape: tuple[int | None, ...], groups: int) -> tuple[int | None, ...]:
    """Return the shape (n, h, w, c) if its channels can be shuffled in groups.

    Raises ValueError if groups does not divide c, or if h or w is None.

    >>> check_shuffle((None, 7, 7, 12), groups=3)
    (None, 7, 7, 12)
    """
    check_groups(groups, channels_of_x=shape[-1])
    if None in shape[1:3]:
        raise ValueError(f"x has shape {shape}; expected a fixed height and width: give both to Input")
    return shape


def check_sizes(stride: int = 1, **sizes: int) -> None:
    """Raise ValueError for a stride other than 1 or 2, or naming the first of the other sizes that is below 1.

    >>> check_sizes(stride=2, expansion=6)
    """
    check_stride(stride)
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; expected 1 or more")


def check_stride(stride: int) -> None:
    """Raise ValueError for a stride other than 1 or 2.

    >>> check_stride(2)
    """
    if stride not in (1, 2):
        raise ValueError(f"stride is {stride}; expected 1 or 2")


def check_groups(groups: int, **counts: int) -> None:
    """Raise ValueError if groups does not divide one of the counts; the message uses the count's name.

    >>> check_groups(3, channels_of_x=24, filters=240)
    """
    for name, count in counts.items():
        if groups < 1 or count % groups:
            raise ValueError(f"groups is {groups}; expected a divisor of {count}, the {name.replace('_', ' ')}")
