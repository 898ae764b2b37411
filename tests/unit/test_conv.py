"""Convolutions against Keras, forward and backward, and against the definition."""

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.maths import conv, pool, windows
from edgelab.maths.conv import (
    conv2d,
    conv2d_grad,
    conv2d_loops,
    conv2d_macs,
    depthwise_conv2d,
    depthwise_conv2d_grad,
    pointwise_conv2d,
    pointwise_conv2d_grad,
    true_conv2d,
)
from edgelab.maths.shapes import as_images, operands, plus_bias, upstream

ENOUGH = settings(max_examples=examples(200, 40), deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
# In float64, sums of at most 100 products of numbers of size 1: rounding errors are below 1e-13. A gradient may add
# 300 of them and cancel to near zero, hence the absolute bound.
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


@st.composite
def geometries(draw, most=8):
    """Shapes of x and w, then stride, padding and dilation that fit; both axes are drawn on their own.

    w is (height, width, in, out or multiplier).
    """
    padding = draw(st.sampled_from(["valid", "same"]))
    size, stride, dilation = (tuple(draw(st.integers(1, limit)) for _ in "hw") for limit in (5, 3, 3))
    least = [(size[a] - 1) * dilation[a] + 1 if padding == "valid" else 1 for a in (0, 1)]
    height, width = (least[a] + draw(st.integers(0, most)) for a in (0, 1))
    channels = draw(st.integers(1, 3))
    x, w = (draw(st.integers(1, 2)), height, width, channels), (*size, channels, draw(st.integers(1, 4)))
    return x, w, (stride, padding, dilation)


# Each branch at least once, however few are drawn: x, w, (stride, padding, dilation).
EDGES = [
    ((1, 1, 1, 1), (5, 4, 1, 1), ((1, 1), "same", (1, 1))),  # a kernel larger than the image
    ((2, 7, 8, 3), (3, 2, 3, 2), ((2, 3), "same", (1, 1))),  # no stride divides its side; an even kernel
    ((2, 9, 7, 2), (2, 3, 2, 4), ((1, 1), "same", (3, 2))),
    ((2, 11, 10, 3), (4, 3, 3, 2), ((3, 2), "valid", (1, 1))),  # pixels are left over on both axes
    ((1, 9, 12, 2), (3, 2, 2, 3), ((1, 1), "valid", (2, 3))),
    ((2, 9, 11, 3), (3, 3, 3, 2), ((2, 2), "same", (2, 1))),  # stride and dilation together
    ((2, 8, 8, 3), (3, 3, 3, 2), ((2, 2), "same", (1, 1))),  # one pixel of padding, the last
]


def on_geometries(most=8, **others):
    """Run a test on drawn geometries and on `EDGES`; others: what else it takes, a strategy and its value there."""

    def decorated(test):
        for geometry in EDGES:
            test = example(geometry=geometry, **{name: value for name, (_, value) in others.items()})(test)
        return ENOUGH(given(geometry=geometries(most), **{name: draw for name, (draw, _) in others.items()})(test))

    return decorated


def keras_gradients(function, x, w, dy):
    """Return y, dx and dw of function(x, w) by TensorFlow."""
    import tensorflow as tf

    x, w = tf.constant(x), tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = function(x, w)
    return y, *tape.gradient(y, [x, w], output_gradients=tf.constant(dy))


def keras_conv2d(stride, padding, dilation):
    """Keras' convolution as a function of x and w.

    It refuses stride with dilation, so there the dilated kernel is written out: zeros between its weights, dilation 1.
    """
    import keras
    import tensorflow as tf

    def with_zeros(w):
        shape = [(w.shape[a] - 1) * dilation[a] + 1 for a in (0, 1)]
        at = np.stack(np.meshgrid(*(np.arange(w.shape[a]) * dilation[a] for a in (0, 1)), indexing="ij"), axis=-1)
        return tf.scatter_nd(at, w, (*shape, *w.shape[2:]))

    if max(stride) > 1 and max(dilation) > 1:
        return lambda x, w: keras.ops.conv(x, with_zeros(w), stride, padding)
    return lambda x, w: keras.ops.conv(x, w, stride, padding, dilation_rate=dilation)


def keras_depthwise(stride, padding, dilation):
    """Keras' depthwise convolution as a function of x and w.

    TensorFlow has no kernel for it with two different strides, so there each channel is convolved on its own.
    """
    import keras

    if stride[0] != stride[1]:
        each = keras_conv2d(stride, padding, dilation)
        return lambda x, w: keras.ops.concatenate(
            [each(x[..., c : c + 1], w[:, :, c : c + 1]) for c in range(w.shape[2])], axis=-1
        )
    return lambda x, w: keras.ops.depthwise_conv(x, w, stride, padding, dilation_rate=dilation)


@pytest.mark.parametrize(
    ("forward", "grad", "theirs"),
    [(conv2d, conv2d_grad, keras_conv2d), (depthwise_conv2d, depthwise_conv2d_grad, keras_depthwise)],
    ids=["conv2d", "depthwise"],
)
@on_geometries(seed=(SEEDS, 0))
def test_forward_and_gradients_equal_keras(forward, grad, theirs, geometry, seed):
    """A padding off by one, a transposed kernel or a stride on the wrong axis gives numbers that look as good."""
    x_shape, w_shape, arguments = geometry
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=x_shape), rng.normal(size=w_shape)
    y = forward(x, w, None, *arguments)
    dy = rng.normal(size=y.shape)
    found = (y, *grad(dy, x, w, *arguments)[:2])
    for ours, expected in zip(found, keras_gradients(theirs(*arguments), x, w, dy), strict=True):
        np.testing.assert_allclose(ours, expected.numpy(), **CLOSE)


@on_geometries(seed=(SEEDS, 0))
def test_pointwise_equals_keras(geometry, seed):
    """Also with its bias, which is the same sum in all three gradients."""
    import keras

    x_shape, w_shape, _ = geometry
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=x_shape), rng.normal(size=(1, 1, *w_shape[2:])), rng.normal(size=w_shape[3])
    y = pointwise_conv2d(x, w, b)
    dy = rng.normal(size=y.shape)
    dx, dw, db = pointwise_conv2d_grad(dy, x, w)
    for ours, expected in zip(
        (y - b, dx, dw), keras_gradients(lambda x, w: keras.ops.conv(x, w), x, w, dy), strict=True
    ):
        np.testing.assert_allclose(ours, expected.numpy(), **CLOSE)
    for other in (conv2d_grad(dy, x, w)[2], dy.sum(axis=(0, 1, 2))):
        np.testing.assert_allclose(db, other, **CLOSE)


@on_geometries(most=3, seed=(SEEDS, 0))
def test_fast_equals_the_definition(geometry, seed):
    """Also where no framework computes it: stride together with dilation, on each axis its own."""
    x_shape, w_shape, arguments = geometry
    x_shape = (1, *x_shape[1:])
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(*w_shape[:3], 1))  # one kernel: the loops take their time
    x, b = rng.normal(size=x_shape), rng.normal(size=1)
    np.testing.assert_allclose(conv2d(x, w, b, *arguments), conv2d_loops(x, w, b, *arguments), **CLOSE)


@on_geometries(seed=(SEEDS, 0))
def test_depthwise_is_a_convolution_whose_kernel_is_zero_between_channels(geometry, seed):
    """The order of the outputs (channel first, then multiplier) shows only with both above 1."""
    x_shape, w_shape, arguments = geometry
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=x_shape), rng.normal(size=w_shape)
    height, width, channels, multiplier = w_shape
    dense = np.zeros((height, width, channels, channels, multiplier))
    for c in range(channels):
        dense[:, :, c, c] = w[:, :, c]
    dense = dense.reshape(height, width, channels, channels * multiplier)
    b = rng.normal(size=channels * multiplier)
    y = depthwise_conv2d(x, w, b, *arguments)
    np.testing.assert_allclose(y, conv2d(x, dense, b, *arguments), **CLOSE)
    np.testing.assert_allclose(
        depthwise_conv2d_grad(y, x, w, *arguments)[2], conv2d_grad(y, x, dense, *arguments)[2], **CLOSE
    )


@on_geometries(seed=(SEEDS, 0))
def test_it_is_linear_in_images_and_in_kernels(geometry, seed):
    """f(a u + v) = a f(u) + f(v), the property from which the gradients follow."""
    x_shape, w_shape, arguments = geometry
    rng = np.random.default_rng(seed)
    (x1, x2), (w1, w2) = rng.normal(size=(2, *x_shape)), rng.normal(size=(2, *w_shape))
    a = rng.normal()
    f = [conv2d(x, w, None, *arguments) for x, w in ((x1, w1), (x2, w1), (x1, w2))]
    np.testing.assert_allclose(conv2d(a * x1 + x2, w1, None, *arguments), a * f[0] + f[1], **CLOSE)
    np.testing.assert_allclose(conv2d(x1, a * w1 + w2, None, *arguments), a * f[0] + f[2], **CLOSE)


@on_geometries(seed=(SEEDS, 0), shift=(st.tuples(st.integers(0, 3), st.integers(0, 3)), (2, 1)))
def test_a_shifted_image_gives_a_shifted_output(geometry, seed, shift):
    """A shift by `stride` pixels moves the output by one; without padding there is no border to notice it."""
    x_shape, w_shape, (stride, _, dilation) = geometry
    height, width = (x_shape[1 + a] + (w_shape[a] - 1) * dilation[a] for a in (0, 1))
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(1, height + 9, width + 9, x_shape[3])), rng.normal(size=w_shape)
    y = conv2d(x, w, None, stride, "valid", dilation)
    moved = conv2d(x[:, shift[0] * stride[0] :, shift[1] * stride[1] :], w, None, stride, "valid", dilation)
    np.testing.assert_allclose(moved, y[:, shift[0] :, shift[1] :], **CLOSE)


@on_geometries(seed=(SEEDS, 0))
def test_without_stride_dx_is_a_full_convolution_with_the_flipped_kernel(geometry, seed):
    """The textbook's form of dx, which shares no line with ours: pad dy all around, swap the channels, flip."""
    x_shape, w_shape, (_, _, dilation) = geometry
    height, width = (x_shape[1 + a] + (w_shape[a] - 1) * dilation[a] for a in (0, 1))
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(1, height, width, x_shape[3])), rng.normal(size=w_shape)
    dy = rng.normal(size=conv2d(x, w, None, 1, "valid", dilation).shape)
    around = [((w_shape[a] - 1) * dilation[a],) * 2 for a in (0, 1)]
    full = true_conv2d(np.pad(dy, ((0, 0), *around, (0, 0))), w.transpose(0, 1, 3, 2), None, 1, "valid", dilation)
    np.testing.assert_allclose(conv2d_grad(dy, x, w, 1, "valid", dilation)[0], full, **CLOSE)


def test_true_convolution_is_the_one_of_signal_processing():
    """numpy.convolve flips; the same kernel along either axis must give its numbers."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=9), rng.normal(size=4)
    expected = np.convolve(x, w, mode="valid")
    for shape in ((-1, 1), (1, -1)):
        y = true_conv2d(x.reshape(1, *shape, 1), w.reshape(*shape, 1, 1))
        np.testing.assert_allclose(y.ravel(), expected, **CLOSE)
    flipped = conv2d(x.reshape(1, 9, 1, 1), w.reshape(4, 1, 1, 1)).ravel()
    np.testing.assert_allclose(flipped, np.correlate(x, w, mode="valid"), **CLOSE)


def test_the_example_that_articles_get_wrong():
    """A 3×3 kernel over a 3×3 image has one place: 1 by cross-correlation, 9 by true convolution."""
    x = np.arange(1, 10).reshape(1, 3, 3, 1)
    w = np.array([[1, 0, -1], [0, 1, 0], [1, 0, -1]]).reshape(3, 3, 1, 1)
    for function, expected in ((conv2d, 1), (conv2d_loops, 1), (true_conv2d, 9)):
        assert function(x, w).tolist() == [[[[expected]]]]


def test_layers_of_keras_lend_their_weights_unchanged():
    """Layouts by layer: Conv2D, DepthwiseConv2D with a multiplier, SeparableConv2D's pair; float32, so 1e-5."""
    import keras

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((2, 11, 12, 3), np.float32)
    plain = keras.layers.Conv2D(5, (3, 2), strides=2, padding="same", bias_initializer="normal")
    expected = plain(x).numpy()
    np.testing.assert_allclose(conv2d(x, *plain.get_weights(), 2, "same"), expected, rtol=1e-5, atol=1e-5)
    deep = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, bias_initializer="normal")
    expected = deep(x).numpy()
    np.testing.assert_allclose(depthwise_conv2d(x, *deep.get_weights(), dilation=2), expected, rtol=1e-5, atol=1e-5)
    separable = keras.layers.SeparableConv2D(4, 3, bias_initializer="normal")
    expected = separable(x).numpy()
    first, second, b = separable.get_weights()
    y = pointwise_conv2d(depthwise_conv2d(x, first), second, b)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@on_geometries()
def test_macs_are_the_products_that_the_loops_make(geometry):
    """Counted on a Keras layer's output shape: places times the numbers of one kernel times kernels."""
    x_shape, w_shape, (stride, padding, dilation) = geometry
    y = conv2d(np.zeros((1, *x_shape[1:])), np.zeros(w_shape), None, stride, padding, dilation)
    macs = conv2d_macs(x_shape[1:3], w_shape, stride, padding, dilation)
    assert macs == y.size * w_shape[0] * w_shape[1] * w_shape[2]
    deep = depthwise_conv2d(np.zeros((1, *x_shape[1:])), np.zeros(w_shape), None, stride, padding, dilation)
    assert macs == deep.size * w_shape[0] * w_shape[1]


FORWARD = [conv2d, conv2d_loops, true_conv2d, depthwise_conv2d]


@pytest.mark.parametrize("function", FORWARD)
def test_types(function):
    """uint8 would wrap at 256; float32 must stay, or a network takes twice the memory; float64 serves the checks."""
    w = np.ones((2, 2, 1, 1))
    bright = np.full((1, 3, 3, 1), 255, np.uint8)
    y = function(bright, w.astype(np.float32))
    assert y.dtype == np.float32
    assert (y == 1020).all()
    assert function(bright, w).dtype == np.float64
    assert function(bright.astype(np.float32), w.astype(np.float32)).dtype == np.float32
    assert function(bright.astype(np.float64), w.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("grad", [conv2d_grad, depthwise_conv2d_grad])
def test_types_of_gradients(grad):
    for dtype in (np.float32, np.float64):
        x, w, dy = (np.ones(shape, dtype) for shape in ((1, 3, 3, 1), (2, 2, 1, 1), (1, 2, 2, 1)))
        assert [d.dtype for d in grad(dy, x, w)] == [dtype] * 3
        assert [d.dtype for d in pointwise_conv2d_grad(dy, x[:, :2, :2], w[:1, :1])] == [dtype] * 3


@pytest.mark.parametrize("function", [*FORWARD, pool.max_pool2d, pool.avg_pool2d])
def test_an_empty_batch_is_named(function):
    """Filtering may leave nothing; the gradients of nothing are zeros, and a training goes on without learning."""
    x, kernel = np.zeros((0, 5, 5, 2)), 2 if function.__name__.endswith("pool2d") else np.ones((3, 3, 2, 2))
    with pytest.raises(ValueError, match=r"x has shape \(0, 5, 5, 2\): axis 0 of \(n, .* is empty"):
        function(x, kernel)


@pytest.mark.parametrize("function", FORWARD)
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"w": np.zeros((3, 3, 4, 8))},
            r"x of shape \(1, 6, 6, 3\) has 3 channels \(axis 3\), w of shape \(3, 3, 4, 8\) has 4 \(axis 2\)",
        ),
        ({"x": np.zeros((6, 6, 3))}, r"x has shape \(6, 6, 3\); expected images .* x\[None\]"),
        ({"w": np.zeros((3, 3))}, r"w has shape \(3, 3\); expected kernels"),
        ({"w": np.zeros((0, 3, 3, 8))}, "each at least 1"),
        ({"b": np.zeros(7)}, r"b has shape \(7,\); expected .* one bias for each channel"),
        ({"stride": 0}, "stride is 0; expected at least 1"),
        ({"stride": (1, 2, 3)}, r"stride is \(1, 2, 3\); expected an integer, or a pair"),
        ({"dilation": 0}, "dilation is 0; expected at least 1"),
        ({"dilation": 3}, "kernel of 3 with dilation 3 spans 7 pixels, the image has 6"),
        ({"padding": "Same"}, "padding is 'Same'; expected 'valid' or 'same'"),
        ({"x": np.zeros((1, 6, 0, 3)), "padding": "same"}, "axis 2 of .* is empty"),
    ],
)
def test_what_does_not_fit_is_named(function, changed, says):
    """Both shapes and the axis, in the words of the caller, instead of numpy's matmul message."""
    arguments = {"x": np.zeros((1, 6, 6, 3)), "w": np.zeros((3, 3, 3, 8)), **changed}
    with pytest.raises(ValueError, match=says):
        function(**arguments)


def test_gradients_name_what_does_not_fit():
    x, w, dy = np.zeros((1, 6, 6, 3)), np.zeros((3, 3, 3, 8)), np.zeros((1, 6, 6, 8))
    for grad, shape in ((conv2d_grad, r"\(1, 4, 4, 8\)"), (depthwise_conv2d_grad, r"\(1, 4, 4, 24\)")):
        with pytest.raises(ValueError, match=rf"dy has shape \(1, 6, 6, 8\), the layer's output {shape}"):
            grad(dy, x, w)
    with pytest.raises(ValueError, match=r"dy has shape \(1, 4, 4, 8\), the layer's output \(1, 6, 6, 8\)"):
        pointwise_conv2d_grad(dy[:, :4, :4], x, w[:1, :1])
    for call in (lambda: pointwise_conv2d(x, w), lambda: pointwise_conv2d_grad(dy, x, w)):
        with pytest.raises(ValueError, match=r"w has shape \(3, 3, 3, 8\); expected \(1, 1"):
            call()


def test_nothing_that_is_passed_in_is_changed():
    """Gradients are taken at the operands: changing them in place would falsify the next ones."""
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 6, 6, 2)), rng.normal(size=(3, 3, 2, 3)), rng.normal(size=3)
    y = conv2d(x, w, b)
    copies = [a.copy() for a in (x, w, b, y)]
    conv2d_grad(y, x, w)
    plus_bias(y, b)
    depthwise_conv2d_grad(depthwise_conv2d(x, w), x, w)
    for before, after in zip(copies, (x, w, b, y), strict=True):
        np.testing.assert_array_equal(before, after)


def test_one_door_to_windows_and_pooling():
    """A reader looks for pooling where the convolutions are."""
    assert conv.max_pool2d is pool.max_pool2d
    assert conv.avg_pool2d is pool.avg_pool2d
    assert conv.output_size is windows.output_size
    assert conv.receptive_field is windows.receptive_field
    for name in conv.__all__:
        assert callable(getattr(conv, name))


def test_helpers_leave_what_fits_as_it_is():
    """No copy of a batch that is already float."""
    x, w = np.ones((1, 2, 2, 1), np.float32), np.ones((1, 1, 1, 1), np.float32)
    assert as_images(x) is x
    assert operands(x, w)[0] is x
    assert operands(x, w)[1] is w
    assert plus_bias(x, None) is x
    assert upstream(x, x.shape) is x
