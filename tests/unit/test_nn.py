"""edgelab.maths.nn, activations and checks: against Keras and TensorFlow, forward and backward, and bad input.

In float64, where a right formula agrees to about 1e-14 and a wrong one to no more than 1e-2: the bound of 1e-6 leaves
no doubt either way. What cancels to nearly 0 keeps the rounding of its terms, hence an absolute 1e-12 of the largest.
"""

import warnings

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.maths import nn
from edgelab.maths.activations import (
    leaky_relu,
    leaky_relu_grad,
    relu,
    relu_grad,
    sigmoid,
    sigmoid_grad,
    softmax,
    softmax_grad,
    tanh,
    tanh_grad,
)
from edgelab.maths.checks import (
    as_float,
    check_dense,
    check_finite,
    check_labels,
    check_lists,
    check_not_empty,
    same_shape,
)
from edgelab.maths.nn import (
    GradientCheck,
    cross_entropy,
    cross_entropy_grad,
    dense,
    dense_grad,
    gradient_check,
    mean_squared_error,
    mean_squared_error_grad,
    numeric_gradient,
    two_layer,
    two_layer_grad,
)

many = settings(max_examples=examples(200, 40), deadline=None, derandomize=True)
sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-3, 1.0, 30.0, 1e3])  # the last: beyond where exp(x) overflows
ACTIVATIONS = {
    "relu": (relu, relu_grad),
    "leaky_relu": (leaky_relu, leaky_relu_grad),
    "sigmoid": (sigmoid, sigmoid_grad),
    "tanh": (tanh, tanh_grad),
    "softmax": (softmax, softmax_grad),
}


@pytest.fixture(scope="module")
def keras():
    """Keras, and TensorFlow with it: imported when the first test needs it, 3 s."""
    import keras

    return keras


@pytest.fixture(scope="module")
def tf(keras):
    import tensorflow

    return tensorflow


def close(got, expected, scale=0.0) -> None:
    expected = np.asarray(expected)
    largest = max(float(np.abs(expected).max(initial=0)), float(scale))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12 * largest)


def normal(seed: int, *shapes: tuple[int, ...], scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(scale=scale, size=shape) for shape in shapes]


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # of size 1: that is a case to test
@pytest.mark.parametrize("name", ACTIVATIONS)
@many
@given(shape=st.lists(sizes, min_size=2, max_size=4), seed=seeds, scale=scales)
@example(shape=[1, 1], seed=0, scale=1.0)
@example(shape=[3, 4, 5], seed=1, scale=1.0)
@example(shape=[2, 3, 4, 5], seed=2, scale=1e3)
def test_activations_equal_keras(keras, tf, name, shape, seed, scale):
    """Forward, and backward against automatic differentiation, also at 0, where relu has a kink, and beyond exp."""
    forward, backward = ACTIVATIONS[name]
    x, dy = normal(seed, tuple(shape), tuple(shape))
    x = np.where(np.random.default_rng(seed).random(shape) < 0.1, 0.0, x * scale)
    variable = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = getattr(keras.activations, name)(variable)
    close(forward(x), y)
    close(backward(dy, x), tape.gradient(y, variable, output_gradients=tf.constant(dy)), np.abs(dy).max())


@many
@given(n=sizes, inputs=sizes, outputs=sizes, seed=seeds, scale=scales)
@example(n=1, inputs=3, outputs=5, seed=0, scale=1.0)
@example(n=4, inputs=5, outputs=2, seed=1, scale=30.0)
def test_dense_equals_keras(keras, tf, n, inputs, outputs, seed, scale):
    x, w, b, dy = normal(seed, (n, inputs), (inputs, outputs), (outputs,), (n, outputs), scale=scale)
    layer, variable = keras.layers.Dense(outputs, dtype="float64"), tf.constant(x)
    layer.build(x.shape)
    layer.set_weights([w, b])
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = layer(variable)
    close(dense(x, w, b), y, scale**2)
    sources = [variable, *(v.value for v in layer.trainable_variables)]
    expected = tape.gradient(y, sources, output_gradients=tf.constant(dy))
    for got, want in zip(dense_grad(dy, x, w), expected, strict=True):
        close(got, want, scale**2)


@many
@given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds, scale=scales)
@example(shape=[1], seed=0, scale=1.0)
@example(shape=[3, 4, 5], seed=1, scale=1.0)
def test_mean_squared_error_equals_keras(keras, tf, shape, seed, scale):
    y_pred, y = normal(seed, tuple(shape), tuple(shape), scale=scale)
    variable = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = tf.reduce_mean(keras.losses.mean_squared_error(tf.constant(y), variable))
    close(mean_squared_error(y_pred, y), loss)
    close(mean_squared_error_grad(y_pred, y), tape.gradient(loss, variable))


@many
@given(n=sizes, classes=sizes, seed=seeds, scale=scales)
@example(n=1, classes=1, seed=0, scale=1.0)
@example(n=5, classes=9, seed=1, scale=1.0)
@example(n=7, classes=4, seed=2, scale=1e3)
def test_cross_entropy_equals_keras(keras, tf, n, classes, seed, scale):
    """From one class, where the loss is 0, to logits that softmax alone would turn into log(0)."""
    (logits,) = normal(seed, (n, classes), scale=scale)
    y = np.random.default_rng(seed).integers(0, classes, n)
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, variable, from_logits=True))
    close(cross_entropy(logits, y), loss, 1)
    close(cross_entropy_grad(logits, y), tape.gradient(loss, variable), 1)


@many
@given(n=sizes, inputs=sizes, hidden=sizes, classes=sizes, seed=seeds)
@example(n=5, inputs=4, hidden=7, classes=3, seed=0)
@example(n=1, inputs=2, hidden=3, classes=4, seed=1)
def test_two_layers_equal_keras(keras, tf, n, inputs, hidden, classes, seed):
    """The chain rule by hand against GradientTape, down to the first layer's weights."""
    x, *params = normal(seed, (n, inputs), (inputs, hidden), (hidden,), (hidden, classes), (classes,))
    (dlogits,) = normal(seed + 1, (n, classes))
    layers = [keras.layers.Dense(hidden, "relu", dtype="float64"), keras.layers.Dense(classes, dtype="float64")]
    for layer, width, weights in zip(layers, (inputs, hidden), (params[:2], params[2:]), strict=True):
        layer.build((n, width))
        layer.set_weights(weights)
    with tf.GradientTape() as tape:
        logits = layers[1](layers[0](tf.constant(x)))
    close(two_layer(x, params), logits, 1)
    sources = [v.value for layer in layers for v in layer.trainable_variables]
    expected = tape.gradient(logits, sources, output_gradients=tf.constant(dlogits))
    for got, want in zip(two_layer_grad(dlogits, x, params), expected, strict=True):
        close(got, want, 1)


@settings(max_examples=examples(30, 12), deadline=None, derandomize=True)
@given(n=sizes, inputs=sizes, hidden=sizes, classes=sizes, seed=seeds)
def test_two_layers_pass_the_gradient_check(n, inputs, hidden, classes, seed):
    """A second opinion that knows nothing of the chain rule. 1e-6: the differences' own error is about 1e-10."""
    x, *params = normal(seed, (n, inputs), (inputs, hidden), (hidden,), (hidden, classes), (classes,))
    params[1] = np.where(np.arange(hidden) % 2, 20.0, -20.0)  # each unit on or off for all: no kink within h
    y = np.random.default_rng(seed).integers(0, classes, n)
    gradients = two_layer_grad(cross_entropy_grad(two_layer(x, params), y), x, params)
    for i, gradient in enumerate(gradients):

        def loss(value, i=i):
            return cross_entropy(two_layer(x, [*params[:i], value, *params[i + 1 :]]), y)

        checked = gradient_check(loss, params[i], gradient)
        # Absolute 1e-9 besides: with one class, or all units off, both gradients are 0 but for rounding.
        assert checked.relative_error < 1e-6 or abs(checked.analytic - checked.numeric) < 1e-9


@settings(max_examples=examples(100, 25), deadline=None, derandomize=True)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), seed=seeds)
def test_gradient_check_finds_a_wrong_element(shape, seed):
    """One element of many, wrong by 1 %: found, named, with both values."""
    rng = np.random.default_rng(seed)
    (x,) = normal(seed, tuple(shape))
    grad = 2 * x + np.cos(x)
    wrong = tuple(int(rng.integers(s)) for s in shape)
    planted = grad.copy()
    planted[wrong] += 0.01 * np.abs(grad).max()
    before = x.copy()

    def f(x):
        return (x**2 + np.sin(x)).sum()

    assert gradient_check(f, x, grad).relative_error < 1e-8
    found = gradient_check(f, x, planted)
    assert isinstance(found, GradientCheck)
    assert found.worst == wrong
    assert 0.009 < found.relative_error < 0.011
    assert found.analytic == planted[wrong]
    np.testing.assert_allclose(found.numeric, grad[wrong], rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(x, before)


def test_gradient_check_works_in_float64_whatever_comes_in():
    """With a step for float64, a float32 x would not move at all; of integers it would take whole steps."""
    for dtype in (np.float32, np.int64):
        x = np.array([1, 2, 3], dtype)
        assert gradient_check(lambda x: (x**2).sum(), x, 2 * x).relative_error < 1e-8
    assert gradient_check(lambda x: 7.0, np.ones(2), np.zeros(2)).relative_error == 0  # both 0: equal, not 0 / 0


def test_numeric_gradient_alone():
    np.testing.assert_allclose(numeric_gradient(lambda x: (x**3).sum(), [[1.0, 2.0]]), [[3.0, 12.0]], rtol=1e-8)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "softmax"])
def test_no_warning_and_no_nan_for_extreme_input(name):
    """A naive sigmoid warns of an overflow at -1000, and a naive softmax returns NaN."""
    x = np.array([-1e308, -1000.0, -0.0, 1000.0, 1e308, np.inf, -np.inf])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (ACTIVATIONS[name][0](x), ACTIVATIONS[name][1](np.ones(7), x)):
            assert not np.isnan(value).any()
        assert not np.isnan(softmax(x[:4])).any()
    assert sigmoid(x)[[1, 3]].tolist() == [0.0, 1.0]
    assert sigmoid(np.float32(-1000)).dtype == np.float32
    assert np.isnan(sigmoid(np.array([np.nan]))).all()  # a NaN stays visible


def test_what_articles_print_for_the_sigmoid():
    """σ([1, 2, 3, 4, 5]) is often printed as [0.268, 0.422, …]; the values are from tables."""
    expected = [0.731058578630, 0.880797077978, 0.952574126822, 0.982013790038, 0.993307149076]
    np.testing.assert_allclose(sigmoid([1, 2, 3, 4, 5]), expected, rtol=1e-11)  # the digits that are given


@pytest.mark.parametrize(
    ("given", "expected"), [("float32", "float32"), ("float64", "float64"), ("int64", "float64"), ("uint8", "float64")]
)
def test_dtypes(given, expected):
    """float32 must not become float64 on the way, at half the speed; integers must not stay integers."""
    a = np.ones((2, 2)).astype(given)
    y = np.array([0, 1])
    results = [dense(a, a, a[0]), *dense_grad(a, a, a), mean_squared_error_grad(a, 0 * a), cross_entropy_grad(a, y)]
    results += [two_layer(a, [a, a[0], a, a[0]]), *two_layer_grad(a, a, [a, a[0], a, a[0]])]
    for forward, backward in ACTIVATIONS.values():
        results += [forward(a), backward(a, a)]
    results.append(leaky_relu(a, np.float64(0.1)))
    assert {r.dtype.name for r in results} == {expected}
    assert all(type(loss) is float for loss in (mean_squared_error(a, a), cross_entropy(a, y)))
    assert [array.dtype.name for array in as_float(x=np.ones(2, np.uint8), w=np.ones(2, np.float32))] == ["float32"] * 2


def test_nothing_is_changed_in_place():
    """Softmax less its largest, p less 1 at the label: done in place, they would ruin the caller's arrays."""
    a, y = np.array([[1.0, 2.0], [3.0, -4.0]]), np.array([0, 1])
    before = a.copy()
    for forward, backward in ACTIVATIONS.values():
        forward(a)
        backward(a, a)
    for f in (mean_squared_error, mean_squared_error_grad, dense_grad):
        f(*((a, a, a) if f is dense_grad else (a, a)))
    cross_entropy(a, y), cross_entropy_grad(a, y)
    np.testing.assert_array_equal(a, before)


def test_an_empty_array_has_empty_activations():
    """Elementwise functions have nothing to divide by; losses have (below)."""
    for name in ("relu", "leaky_relu", "sigmoid", "tanh"):
        assert ACTIVATIONS[name][0](np.zeros((0, 3))).shape == (0, 3)


def test_nn_offers_the_activations():
    """They have a file of their own, and are also where one looks for them."""
    assert all(getattr(nn, f.__name__) is f for pair in ACTIVATIONS.values() for f in pair)


ONES = np.ones
BAD = [
    (dense, (ONES((2, 3)), ONES((4, 5)), ONES(5)), ValueError, "x has shape (2, 3), w (4, 5): axis 1 of x and axis 0"),
    (dense, (ONES((2, 3)), ONES((3, 5)), ONES(4)), ValueError, "b has shape (4,), w (3, 5); expected (5,)"),
    (dense, (ONES((2, 3)), ONES((3, 5)), ONES((1, 5))), ValueError, "b has shape (1, 5), w (3, 5); expected (5,)"),
    (dense, (ONES(3), ONES((3, 5)), ONES(5)), ValueError, "x has shape (3,); expected (n, inputs): one row is x[None]"),
    (dense, (ONES((2, 4, 4)), ONES((16, 5)), ONES(5)), ValueError, "flatten with x.reshape(len(x), -1)"),
    (dense, (ONES((0, 3)), ONES((3, 5)), ONES(5)), ValueError, "x has shape (0, 3); expected (n, inputs), each at"),
    (dense, (1.0, ONES((3, 5)), ONES(5)), ValueError, "x has shape (); expected (n, inputs)"),
    (dense, (ONES((2, 3)), ONES((3, 5)) * 1j, ONES(5)), TypeError, "w is complex128; expected real numbers"),
    (dense_grad, (ONES((2, 4)), ONES((2, 3)), ONES((3, 5))), ValueError, "dy has shape (2, 4), x (2, 3), w (3, 5)"),
    (check_dense, (ONES((2, 3)), ONES(3)), ValueError, "w has shape (3,); expected (inputs, outputs)"),
    (relu, (np.array(["a"]),), TypeError, "x is <U1; expected real numbers"),
    (relu_grad, (ONES((2, 3)), ONES((2, 4))), ValueError, "dy has shape (2, 3), x (2, 4): axis 1 differs"),
    (leaky_relu_grad, (ONES(2), ONES((2, 4))), ValueError, "dy has shape (2,), x (2, 4): axis 1 differs"),
    (sigmoid_grad, (ONES(1), ONES(4)), ValueError, "dy has shape (1,), x (4,): axis 0 differs"),
    (tanh_grad, (ONES(()), ONES(4)), ValueError, "dy has shape (), x (4,): axis 0 differs"),
    (softmax_grad, (ONES((2, 3)), ONES((1, 3))), ValueError, "dy has shape (2, 3), z (1, 3): axis 0 differs"),
    (softmax, (3.0,), ValueError, "z has shape (); expected (…, classes)"),
    (softmax, (ONES((2, 0)),), ValueError, "z has shape (2, 0); expected (…, classes) with at least one"),
    (mean_squared_error, (ONES(3), ONES((3, 1))), ValueError, "y_pred has shape (3,), y (3, 1): axis 1 differs"),
    (mean_squared_error, (ONES(0), ONES(0)), ValueError, "y has shape (0,); expected at least one element"),
    (mean_squared_error_grad, (ONES(0), ONES(0)), ValueError, "y has shape (0,); expected at least one element"),
    (cross_entropy, (ONES((2, 3)), [0, 3]), ValueError, "y[1] is 3; expected 0 to 2"),
    (cross_entropy, (ONES((2, 3)), [-1, 3]), ValueError, "y[0] is -1; expected 0 to 2"),
    (cross_entropy, (ONES((2, 3)), [0, 1, 2]), ValueError, "y has shape (3,), logits (2, 3); expected (2,): axis 0"),
    (cross_entropy, (ONES((2, 3)), [[0], [1]]), ValueError, "y has shape (2, 1), logits (2, 3); expected (2,)"),
    (cross_entropy, (ONES((2, 3)), [0.0, 1.0]), TypeError, "y is float64; expected integers"),
    (cross_entropy, (ONES((2, 3)), np.eye(3)[[0, 1]]), ValueError, "that of one-hot rows; expected class numbers (n,)"),
    (cross_entropy, (ONES((0, 3)), np.zeros(0, int)), ValueError, "logits have shape (0, 3); expected (n, classes)"),
    (cross_entropy_grad, (ONES(3), [0]), ValueError, "logits have shape (3,); expected (n, classes)"),
    (lambda a: check_not_empty(a=a), (ONES((2, 0)),), ValueError, "a has shape (2, 0); expected at least one element"),
    (lambda a: check_finite(a=a), (np.array([[1, -np.inf]]),), ValueError, "a is -inf at (0, 1); expected finite"),
    (check_labels, (ONES((1, 3)), [True]), TypeError, "y is bool; expected integers"),
    (gradient_check, (np.sum, ONES((2, 3)), ONES((3, 2))), ValueError, "x has shape (2, 3), grad (3, 2): axis 0"),
    (gradient_check, (np.sum, ONES(0), ONES(0)), ValueError, "x has shape (0,); expected at least one element"),
    (gradient_check, (np.sum, ONES(2), np.array([1, np.nan])), ValueError, "grad is nan at (1,); expected finite"),
    (gradient_check, (np.sum, np.array([[1, np.nan]]), ONES((1, 2))), ValueError, "x is nan at (0, 1)"),
    (gradient_check, (np.sum, np.array([[1, np.inf]]), ONES((1, 2))), ValueError, "x is inf at (0, 1)"),
    (gradient_check, (lambda x: np.nan, ONES(2), ONES(2)), ValueError, "the numeric gradient of f is nan at (0,)"),
    (gradient_check, (lambda x: x, ONES(2), ONES(2)), ValueError, "f returns shape (2,); expected one number"),
]


@pytest.mark.parametrize("f, arguments, error, says", BAD, ids=[f"{b[0].__name__}: {b[3][:30]}" for b in BAD])
def test_bad_input_is_named(f, arguments, error, says):
    """NumPy would broadcast, or fail a few lines further on with shapes that nobody wrote."""
    with pytest.raises(error) as caught, np.errstate(all="ignore"):
        f(*arguments)
    assert says in str(caught.value)


def test_one_shape_or_an_error():
    a, b = same_shape(a=[1, 2], b=np.ones(2, np.float32))
    assert (a.dtype, b.dtype) == (np.float64, np.float64)


def test_lists_pair_up():
    """A bare array as `params` would be taken for a list of its rows, and trained row by row without an error."""
    w = np.ones((2, 3), np.float32)
    params, gradients = check_lists(params=[w], gradients=[w.astype(float)])
    assert (params[0].dtype, gradients[0].dtype) == (np.float32, np.float32)
    with pytest.raises(TypeError, match="params is ndarray; expected a list of arrays"):
        check_lists(params=w, gradients=[w])
    with pytest.raises(ValueError, match="1 params and 2 gradients"):
        check_lists(params=[w], gradients=[w, w])
    with pytest.raises(ValueError, match="params is empty; expected at least one"):
        check_lists(params=[], gradients=[])
    with pytest.raises(ValueError, match=r"gradients\[0\] has shape \(3,\), params\[0\] \(2, 3\)"):
        check_lists(params=[w], gradients=[w[0]])
