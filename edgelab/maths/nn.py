"""Dense layers and losses, forward and backward, in Keras' layouts; the activations are re-exported here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from edgelab.maths.activations import leaky_relu as leaky_relu
from edgelab.maths.activations import leaky_relu_grad as leaky_relu_grad
from edgelab.maths.activations import relu, relu_grad, softmax
from edgelab.maths.activations import sigmoid as sigmoid
from edgelab.maths.activations import sigmoid_grad as sigmoid_grad
from edgelab.maths.activations import softmax_grad as softmax_grad
from edgelab.maths.activations import tanh as tanh
from edgelab.maths.activations import tanh_grad as tanh_grad
from edgelab.maths.checks import as_float, check_dense, check_finite, check_labels, check_not_empty, same_shape


def dense(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return x @ w + b: each output is a weighted sum of all inputs plus a bias.

    x: (n, inputs). w: (inputs, outputs). b: (outputs,). Returns (n, outputs); float32 stays float32, integers become
    float64. Raises ValueError naming the shapes and the axis that do not match.

    >>> dense(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 4.0]]), np.array([0.0, 0.0, 0.5]))
    array([[ 1. ,  2. , 11.5]])
    """
    x, w, b = as_float(x=x, w=w, b=b)
    check_dense(x, w, b)
    return x @ w + b


def dense_grad(dy: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (dx, dw, db) of `dense`: dy wᵀ, xᵀ dy, and dy summed over the batch.

    dy: (n, outputs). x: (n, inputs). w: (inputs, outputs). The gradients have the shapes of x, w and b.
    Raises ValueError naming the shapes that do not match. Rumelhart, Hinton and Williams 1986, equations 6 and 7.

    >>> [g.tolist() for g in dense_grad(np.array([[1.0]]), np.array([[2.0, 3.0]]), np.array([[4.0], [5.0]]))]
    [[[4.0, 5.0]], [[2.0], [3.0]], [1.0]]
    """
    dy, x, w = as_float(dy=dy, x=x, w=w)
    check_dense(x, w, dy=dy)
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def mean_squared_error(y_pred: np.ndarray, y: np.ndarray) -> float:
    """Return the mean of (y_pred - y)² over all elements, in squared units of y.

    y_pred, y: the same shape, (n,) or (n, outputs). Raises ValueError where the shapes differ or are empty.

    >>> mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    y_pred, y = same_shape(y_pred=y_pred, y=y)
    check_not_empty(y=y)
    return float(np.mean((y_pred - y) ** 2))


def mean_squared_error_grad(y_pred: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dL/dy_pred of `mean_squared_error`: 2 (y_pred - y) / number of elements.

    y_pred, y: the same shape. Raises ValueError where the shapes differ or are empty.

    >>> mean_squared_error_grad(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array([ 0., -2.])
    """
    y_pred, y = same_shape(y_pred=y_pred, y=y)
    check_not_empty(y=y)
    return 2 * (y_pred - y) / y.size


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over the batch of -log softmax(logits)[label], in nats.

    logits: (n, classes). y: integers (n,), 0 to classes - 1. Computed as log sum exp(z) - z[label] after
    subtracting the largest logit, so that exp cannot overflow. Raises ValueError for shapes that do not match, an empty
    batch and labels out of range; TypeError for labels that are not integers. Goodfellow et al. 2016, section 6.2.2.3.

    >>> round(cross_entropy(np.zeros((1, 10)), [3]), 4), cross_entropy(np.array([[1000.0, 0.0]]), [1])
    (2.3026, 1000.0)
    """
    logits, y = check_labels(logits, y)
    z = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))


def cross_entropy_grad(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dL/dlogits of `cross_entropy`: p = softmax(logits), minus 1 at the label, divided by n.

    logits: (n, classes). y: integers (n,). Returns (n, classes). Raises as `cross_entropy` does.

    >>> cross_entropy_grad(np.zeros((1, 2)), [1])
    array([[ 0.5, -0.5]])
    """
    logits, y = check_labels(logits, y)
    p = softmax(logits)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)


def two_layer(x: np.ndarray, params: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logits of a network of two dense layers with a ReLU between them.

    x: (n, inputs). params: [w1, b1, w2, b2] of shapes (inputs, hidden), (hidden,), (hidden, classes), (classes,).
    Raises ValueError naming the shapes that do not match.

    >>> two_layer(np.array([[1.0, -1.0]]), [np.eye(2), np.zeros(2), np.ones((2, 3)), np.zeros(3)])
    array([[1., 1., 1.]])
    """
    w1, b1, w2, b2 = params
    return dense(relu(dense(x, w1, b1)), w2, b2)


def two_layer_grad(dlogits: np.ndarray, x: np.ndarray, params: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the gradients [dw1, db1, dw2, db2] of `two_layer`, by the chain rule from the last layer to the first.

    dlogits: (n, classes), the upstream gradient. x, params: as for `two_layer`. Raises ValueError naming the shapes
    that do not match. Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors.

    >>> x, params = np.ones((4, 3)), [np.ones((3, 5)), np.zeros(5), np.ones((5, 2)), np.zeros(2)]
    >>> [g.shape for g in two_layer_grad(np.ones((4, 2)), x, params)]
    [(3, 5), (5,), (5, 2), (2,)]
    """
    w1, b1, w2, _ = params
    before = dense(x, w1, b1)
    dhidden, dw2, db2 = dense_grad(dlogits, relu(before), w2)
    _, dw1, db1 = dense_grad(relu_grad(dhidden, before), x, w1)
    return [dw1, db1, dw2, db2]


class GradientCheck(NamedTuple):
    """The largest difference that `gradient_check` found, and the element where it is.

    relative_error: the largest |analytic - numeric|, divided by the largest absolute value of either gradient.
    worst: the index of that element. analytic, numeric: the two gradients of that element.

    >>> GradientCheck(0.5, (0,), 2.0, 1.0).worst
    (0,)
    """

    relative_error: float
    worst: tuple[int, ...]
    analytic: float
    numeric: float


def numeric_gradient(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Return (f(x + h) - f(x - h)) / 2h for each element of x, in float64, with two calls of f for each.

    f: takes an array like x, returns one number. x: the point; it is not changed. h = 6e-6 max(1, |x|): 6e-6 is the
    third root of float64's rounding error, where rounding and the formula's own error are about equal. Raises
    ValueError where f does not return a single number. Press et al. 2007, Numerical recipes, section 5.7.

    >>> numeric_gradient(lambda x: (x**2).sum(), np.array([1.0, 2.0])).round(6)
    array([2., 4.])
    """
    x = np.array(x, float)
    numeric = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        h = 6e-6 * max(1.0, abs(x[i]))
        above, below = x.copy(), x.copy()
        above[i], below[i] = x[i] + h, x[i] - h
        values = np.array([f(above), f(below)], float)
        if values.shape != (2,):
            raise ValueError(f"f returns shape {values.shape[1:]}; expected one number, such as (dy * y).sum()")
        numeric[i] = (values[0] - values[1]) / (above[i] - below[i])
    return numeric


def gradient_check(f: Callable[[np.ndarray], float], x: np.ndarray, grad: np.ndarray) -> GradientCheck:
    """Compare a gradient with `numeric_gradient`, and return the element where the two differ most.

    f: takes an array like x, returns one number. x: the point. grad: df/dx at x, of the shape of x. The relative error
    of a correct gradient is below about 1e-8, unless f has a kink (ReLU) within h of x or computes in float32. Raises
    ValueError where shapes differ or x is empty, and for NaN or infinity, naming the element.

    >>> x = np.array([1.0, 2.0])
    >>> gradient_check(lambda x: (x**2).sum(), x, grad=2 * x).relative_error < 1e-8
    True
    """
    x, grad = (np.asarray(a, float) for a in same_shape(x=x, grad=grad))
    check_not_empty(x=x)
    numeric = numeric_gradient(f, x)
    check_finite(x=x, grad=grad, **{"the numeric gradient of f": numeric})
    difference = np.abs(grad - numeric)
    worst = tuple(int(i) for i in np.unravel_index(difference.argmax(), x.shape))
    largest = max(np.abs(grad).max(), np.abs(numeric).max())
    error = float(difference[worst] / largest) if largest else 0.0
    return GradientCheck(error, worst, float(grad[worst]), float(numeric[worst]))
