"""Pooling against Keras, forward and backward."""

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.maths.pool import avg_pool2d, avg_pool2d_grad, max_pool2d, max_pool2d_grad

ENOUGH = settings(max_examples=examples(200, 40), deadline=None)
SEEDS = st.integers(0, 2**32 - 1)
OURS = {"max_pool": (max_pool2d, max_pool2d_grad), "average_pool": (avg_pool2d, avg_pool2d_grad)}


@st.composite
def geometries(draw):
    """An image's shape, and (size, stride, padding) of a pooling that fits; both axes are drawn on their own."""
    padding = draw(st.sampled_from(["valid", "same"]))
    size, stride = (tuple(draw(st.integers(1, 4)) for _ in "hw") for _ in "ks")
    height, width = ((size[a] if padding == "valid" else 1) + draw(st.integers(0, 8)) for a in (0, 1))
    return (draw(st.integers(1, 3)), height, width, draw(st.integers(1, 4))), (size, stride, padding)


# Each branch at least once, however few are drawn: windows that overlap, leave gaps, hang over the edge.
EDGES = [
    ((1, 1, 1, 1), ((4, 3), (1, 2), "same")),
    ((2, 7, 8, 3), ((3, 2), (2, 3), "same")),
    ((2, 7, 9, 2), ((2, 4), (3, 1), "valid")),
    ((3, 8, 5, 2), ((3, 3), (2, 2), "same")),
    ((2, 9, 6, 1), ((2, 1), (4, 3), "valid")),
]


def on_geometries(test):
    """Run a test on drawn geometries and seeds, and on `EDGES`."""
    for geometry in EDGES:
        test = example(geometry=geometry, seed=0)(test)
    return ENOUGH(given(geometry=geometries(), seed=SEEDS)(test))


def keras_pool(name, x, dy, size, stride, padding):
    """Return y and, given dy(shape), dx by Keras on TensorFlow."""
    import keras
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = getattr(keras.ops, name)(x, size, stride, padding)
    return y.numpy(), tape.gradient(y, x, output_gradients=tf.constant(dy(y.shape), x.dtype)).numpy()


@pytest.mark.parametrize("name", OURS)
@on_geometries
def test_forward_and_gradient_equal_keras(name, geometry, seed):
    """In float64; both add at most 16 numbers, in whatever order: 1e-12 is thousands of roundings away."""
    shape, arguments = geometry
    pool, grad = OURS[name]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    y = pool(x, *arguments)
    dy = rng.normal(size=y.shape)
    theirs, dx = keras_pool(name, x, lambda shape: dy, *arguments)
    np.testing.assert_allclose(y, theirs, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(grad(dy, x, *arguments), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@on_geometries
def test_among_equal_pixels_the_first_takes_the_gradient_as_in_tensorflow(dtype, geometry, seed):
    """After a ReLU most windows hold several zeros: sharing among them trains another network than Keras does.

    Images of three values, and whole numbers for dy, so that sums are exact and equality can be asked for.
    """
    shape, arguments = geometry
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, shape).astype(dtype)
    dy = rng.integers(-9, 9, max_pool2d(x, *arguments).shape).astype(dtype)
    dx = keras_pool("max_pool", x, lambda shape: dy, *arguments)[1]
    np.testing.assert_array_equal(max_pool2d_grad(dy, x, *arguments), dx)


@pytest.mark.parametrize("name", OURS)
def test_the_stride_is_the_size_unless_said_otherwise(name):
    """Keras' layers do so; numpy users expect 1."""
    pool, grad = OURS[name]
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3))
    assert pool(x, (2, 3)).shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(pool(x, (2, 3)), pool(x, (2, 3), (2, 3)))
    dy = np.ones((2, 3, 3, 3))
    np.testing.assert_array_equal(grad(dy, x, (2, 3)), grad(dy, x, (2, 3), (2, 3)))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pooling_a_negative_image_never_answers_the_zeros_around_it(padding):
    """Padding with 0 is right for a convolution and wrong here."""
    x = np.full((1, 5, 5, 1), -3.0)
    assert (max_pool2d(x, 2, padding=padding) == -3).all()
    assert (avg_pool2d(x, 2, padding=padding) == -3).all()


@on_geometries
def test_the_gradient_is_handed_on_whole(geometry, seed):
    """Whatever the geometry, neither pooling may create or lose gradient: the shares of a window add up to its dy."""
    shape, arguments = geometry
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    dy = rng.normal(size=max_pool2d(x, *arguments).shape)
    for _, grad in OURS.values():
        assert grad(dy, x, *arguments).sum() == pytest.approx(dy.sum(), abs=1e-9)  # ≤ 500 numbers of size 1


@pytest.mark.parametrize("name", OURS)
def test_types(name):
    """uint8 images would overflow in a sum and wrap in a mean; float32 must not double its memory."""
    pool, grad = OURS[name]
    bright = np.full((1, 4, 4, 1), 255, np.uint8)
    assert pool(bright, 2).dtype == np.float32
    assert (pool(bright, 2) == 255).all()
    for dtype in (np.float32, np.float64):
        x = np.ones((1, 4, 4, 1), dtype)
        assert pool(x, 2).dtype == dtype
        assert grad(pool(x, 2), x, 2).dtype == dtype


@pytest.mark.parametrize("name", OURS)
def test_what_does_not_fit_is_named(name):
    pool, grad = OURS[name]
    x = np.zeros((1, 4, 4, 1))
    with pytest.raises(ValueError, match="spans 5 pixels, the image has 4"):
        pool(x, 5)
    with pytest.raises(ValueError, match="stride is 0; expected at least 1"):
        pool(x, 2, 0)
    with pytest.raises(ValueError, match="padding is 'full'; expected 'valid' or 'same'"):
        pool(x, 2, padding="full")
    with pytest.raises(ValueError, match=r"x has shape \(4, 4, 1\); expected images .* x\[None\]"):
        pool(x[0], 2)
    with pytest.raises(ValueError, match=r"dy has shape \(1, 4, 4, 1\), the layer's output \(1, 2, 2, 1\)"):
        grad(x, x, 2)
