"""Building blocks of light convolutional networks: Keras tensors in, Keras tensors out, NHWC."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras import KerasTensor


def conv_bn(x: KerasTensor, filters: int, size: int = 3, stride: int = 1, relu: bool = True) -> KerasTensor:
    """Convolve, normalise over the batch and, unless told otherwise, apply ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). The convolution has no bias: normalisation
    brings one. Its averages follow with momentum 0.9, since Keras' 0.99 lags behind in short trainings.
    Parameters in Keras' count: size² c filters + 4 filters. Source: Ioffe and Szegedy 2015, section 3.2.

    >>> from keras import Input
    >>> conv_bn(Input((28, 28, 1)), 8, stride=2).shape
    (None, 14, 14, 8)
    """
    from keras import layers

    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def depthwise_bn(x: KerasTensor, size: int = 3, stride: int = 1, relu: bool = True) -> KerasTensor:
    """Convolve each channel with a kernel of its own, normalise over the batch and, unless told otherwise, apply ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, c). Parameters in Keras' count: size² c + 4 c.
    Source: Howard et al. 2017 (MobileNet), section 3.1.

    >>> from keras import Input
    >>> depthwise_bn(Input((14, 14, 8)), stride=2).shape
    (None, 7, 7, 8)
    """
    from keras import layers

    x = layers.DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def depthwise_separable(x: KerasTensor, filters: int, size: int = 3, stride: int = 1) -> KerasTensor:
    """Apply MobileNetV1's block: a depthwise convolution, then a pointwise (1×1) one; each with BatchNorm and ReLU.

    x: (n, h, w, c). Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). It costs 1 / filters + 1 / size² of the full
    convolution's multiply-accumulates. Source: Howard et al. 2017 (MobileNet), section 3.1, figure 3.

    >>> from keras import Input
    >>> depthwise_separable(Input((14, 14, 8)), 16, stride=2).shape
    (None, 7, 7, 16)
    """
    return conv_bn(depthwise_bn(x, size, stride), filters, size=1)


def separable(x: KerasTensor, filters: int, size: int = 3, stride: int = 1) -> KerasTensor:
    """Factor one convolution into two with nothing between them, without padding; then BatchNorm and ReLU.

    x: (n, h, w, c). Returns (n, ⌈(h - size + 1) / stride⌉, ⌈(w - size + 1) / stride⌉, filters). The smallest networks
    have no number to spare for what MobileNet puts between the halves: folded, size² c + c filters + filters are left.
    Source: Chollet 2017 (Xception), section 4.7, which measures it with and without.

    >>> from keras import Input
    >>> separable(Input((14, 14, 8)), 16).shape
    (None, 12, 12, 16)
    """
    from keras import layers

    return conv_bn(layers.DepthwiseConv2D(size, strides=stride, use_bias=False)(x), filters, size=1)


def inverted_residual(x: KerasTensor, filters: int, expansion: int = 6, size: int = 3, stride: int = 1) -> KerasTensor:
    """Apply MobileNetV2's block: widen by a 1×1, filter depthwise, narrow by a linear 1×1, add the input if it fits.

    x: (n, h, w, c). expansion: how many times wider the middle is; 1 leaves the first 1×1 out. Returns
    (n, ⌈h / stride⌉, ⌈w / stride⌉, filters); the input is added where stride is 1 and filters equals c.
    Source: Sandler et al. 2018 (MobileNetV2), section 3.3, table 1; with ReLU for its ReLU6.

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
    """Weigh each channel by a number in (0, 1) that a small network computes from all channels' means.

    x: (n, h, w, c). ratio: the small network's middle has m = c // ratio channels, at least one. activation: of that
    middle; with the paper's "relu", few channels may all be 0 for every image, and XNNPACK refuses to run such a layer
    in int8. Returns x's shape. Parameters: 2 c m + m + c. Raises ValueError for a ratio below 1.
    Source: Hu et al. 2018 (Squeeze-and-Excitation), section 3; its two dense layers as 1×1 convolutions.

    >>> from keras import Input
    >>> squeeze_excite(Input((7, 7, 16))).shape
    (None, 7, 7, 16)
    """
    from keras import layers

    if ratio < 1:
        raise ValueError(f"ratio is {ratio}; expected 1 or more: the middle has channels // ratio channels")
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
    """Apply EfficientNet's block: an inverted residual whose wide middle is weighed by squeeze-and-excitation.

    x: (n, h, w, c). expansion: as in `inverted_residual`. ratio: the squeeze goes down to c // ratio channels, counted
    from the narrow input. swish: the paper's activation in place of ReLU, which costs a microcontroller nothing.
    Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters); the input is added where stride is 1 and filters equals c.
    Raises ValueError for an expansion or a ratio below 1, or a stride that is not 1 or 2.
    Source: Tan and Le 2019 (EfficientNet), section 4, after Tan et al. 2019 (MnasNet), figure 7.

    >>> from keras import Input
    >>> mbconv(Input((14, 14, 8)), 16, expansion=4, size=5, stride=2).shape
    (None, 7, 7, 16)
    """
    from keras import layers

    check_stride(stride)
    if expansion < 1:
        raise ValueError(f"expansion is {expansion}; expected 1 or more")
    channels, activation = x.shape[-1], "swish" if swish else "relu"
    y = layers.Activation(activation)(conv_bn(x, expansion * channels, 1, relu=False)) if expansion > 1 else x
    y = layers.Activation(activation)(depthwise_bn(y, size, stride, relu=False))
    y = conv_bn(squeeze_excite(y, ratio * expansion), filters, 1, relu=False)
    return layers.Add()([x, y]) if stride == 1 and filters == channels else y


def channel_shuffle(x: KerasTensor, groups: int) -> KerasTensor:
    """Deal the channels out like cards, so that the next group convolution sees some of every group.

    x: (n, h, w, c) of fixed h and w. Channel k of group i, of groups × (c / groups), goes to place k × groups + i.
    Returns x's shape. Shuffling again with c / groups undoes it. Raises ValueError where groups does not divide c or
    the image's size is open. Source: Zhang et al. 2018 (ShuffleNet), section 3.1.

    >>> from keras import Input
    >>> channel_shuffle(Input((7, 7, 12)), 3).shape
    (None, 7, 7, 12)
    """
    from keras import layers

    _, height, width, channels = x.shape
    check_groups(groups, channels_of_x=channels)
    if height is None or width is None:
        raise ValueError(f"x has shape {x.shape}; expected a fixed height and width, as reshaping needs them")
    if groups in (1, channels):
        return x  # nothing moves
    # Rows and columns as one axis: four axes are what every runtime transposes.
    y = layers.Reshape((height * width, groups, channels // groups))(x)
    y = layers.Permute((1, 3, 2))(y)
    return layers.Reshape((height, width, channels))(y)


def group_conv_bn(
    x: KerasTensor, filters: int, groups: int, size: int = 1, stride: int = 1, relu: bool = True
) -> KerasTensor:
    """Convolve each group of channels by itself, normalise over the batch and, unless told otherwise, apply ReLU.

    x: (n, h, w, c). Group i of the c / groups inputs makes group i of the filters / groups outputs, so it costs
    1 / groups of a full convolution. Returns (n, ⌈h / stride⌉, ⌈w / stride⌉, filters). Parameters in Keras' count:
    size² c filters / groups + 4 filters. Raises ValueError where groups does not divide c and filters.
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
    """Apply ShuffleNet's unit: grouped 1×1, channel shuffle, depthwise 3×3, grouped 1×1, joined with the input.

    x: (n, h, w, c) of fixed h and w. The middle has filters / 4 channels. With stride 1 the input is added, so filters
    equals c; with stride 2 its average over 3×3 is put beside the branch, which brings the filters - c missing.
    first_groups: groups of the first 1×1 where c is too small for `groups`. Returns (n, ⌈h / stride⌉, ⌈w / stride⌉,
    filters). Raises ValueError for another stride, or channels that do not divide or fit as said.
    Source: Zhang et al. 2018 (ShuffleNet), section 3.2, figure 2.

    >>> from keras import Input
    >>> shuffle_unit(Input((14, 14, 12)), 24, groups=3, stride=2).shape
    (None, 7, 7, 24)
    """
    from keras import layers

    channels = x.shape[-1]
    branch = shuffle_branch_channels(channels, filters, groups, stride)
    first_groups = groups if first_groups is None else first_groups
    y = group_conv_bn(x, filters // 4, first_groups)
    y = depthwise_bn(channel_shuffle(y, groups), 3, stride, relu=False)
    y = group_conv_bn(y, branch, groups, relu=False)
    if stride == 1:
        return layers.ReLU()(layers.Add()([x, y]))
    return layers.ReLU()(layers.Concatenate()([layers.AveragePooling2D(3, 2, "same")(x), y]))


def shuffle_branch_channels(channels: int, filters: int, groups: int, stride: int) -> int:
    """Return how many channels a shuffle unit's branch has to bring, so that unit and shortcut make `filters`.

    channels: of the unit's input. filters: of its output. groups: of its two pointwise convolutions. stride: 1 adds the
    branch to the input, 2 joins both. Raises ValueError for sizes that do not fit each other.
    Source: Zhang et al. 2018 (ShuffleNet), section 3.2 and figure 2.

    >>> shuffle_branch_channels(24, 240, groups=3, stride=2), shuffle_branch_channels(240, 240, groups=3, stride=1)
    (216, 240)
    """
    check_stride(stride)
    if filters % 4:
        raise ValueError(f"filters is {filters}; expected a multiple of 4: the middle has a quarter")
    if stride == 1 and filters != channels:
        raise ValueError(f"filters is {filters}, x has {channels} channels; with stride 1 they must be equal")
    if stride == 2 and filters <= channels:
        raise ValueError(f"filters is {filters}, x has {channels} channels; with stride 2 filters must exceed them")
    branch = filters if stride == 1 else filters - channels
    check_groups(groups, quarter_of_the_filters=filters // 4, channels_of_the_branch=branch)
    return branch


def check_stride(stride: int) -> None:
    """Raise ValueError for a stride that is not 1 or 2.

    >>> check_stride(2)
    """
    if stride not in (1, 2):
        raise ValueError(f"stride is {stride}; expected 1 or 2")


def check_groups(groups: int, **counts: int) -> None:
    """Raise ValueError where groups is no divisor of one of the counts; their names say what they count.

    >>> check_groups(3, channels_of_x=24, filters=240)
    """
    for name, count in counts.items():
        if groups < 1 or count % groups:
            raise ValueError(f"groups is {groups}; expected a divisor of {count}, the {name.replace('_', ' ')}")
