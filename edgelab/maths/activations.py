"""Activations and their gradients. `…_grad(dy, x)` takes the upstream gradient and the input of the forward pass."""

import numpy as np

from edgelab.maths.checks import as_float, same_shape


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(0, x) for each element.

    x: any shape; float32 stays float32, integers become float64. Nair and Hinton 2010, section 2.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    (x,) = as_float(x=x)
    return np.maximum(x, 0)


def relu_grad(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dL/dx of `relu`: the upstream gradient dy where x > 0, and 0 where x <= 0.

    dy, x: the same shape. Raises ValueError naming both shapes where they differ.

    >>> relu_grad(np.ones(3), np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 1.])
    """
    dy, x = same_shape(dy=dy, x=x)
    return np.where(x > 0, dy, 0)


def leaky_relu(x: np.ndarray, negative_slope: float = 0.2) -> np.ndarray:
    """Return x where x > 0, and negative_slope * x elsewhere.

    x: any shape; float32 stays float32, integers become float64. The default slope is Keras'. Maas, Hannun
    and Ng 2013, section 2.

    >>> leaky_relu(np.array([-2.0, 0.0, 3.0]))
    array([-0.4,  0. ,  3. ])
    """
    (x,) = as_float(x=x)
    return np.where(x > 0, x, float(negative_slope) * x)


def leaky_relu_grad(dy: np.ndarray, x: np.ndarray, negative_slope: float = 0.2) -> np.ndarray:
    """Return dL/dx of `leaky_relu`: dy where x > 0, and negative_slope * dy where x <= 0.

    dy, x: the same shape. Raises ValueError naming both shapes where they differ.

    >>> leaky_relu_grad(np.ones(3), np.array([-2.0, 0.0, 3.0]))
    array([0.2, 0.2, 1. ])
    """
    dy, x = same_shape(dy=dy, x=x)
    return np.where(x > 0, dy, float(negative_slope) * dy)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)) for each element, without overflow for any x.

    x: any shape; float32 stays float32, integers become float64. Goodfellow et al. 2016, equation 3.30.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    (x,) = as_float(x=x)
    e = np.exp(-np.abs(x))  # at most 1: exp(-x) itself would overflow for x = -1000
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_grad(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dL/dx of `sigmoid`: dy * y * (1 - y), with y = sigmoid(x).

    dy, x: the same shape. Raises ValueError naming both shapes where they differ.

    >>> sigmoid_grad(np.ones(3), np.array([-1000.0, 0.0, 1000.0]))
    array([0.  , 0.25, 0.  ])
    """
    dy, x = same_shape(dy=dy, x=x)
    y = sigmoid(x)
    return dy * y * (1 - y)


def tanh(x: np.ndarray) -> np.ndarray:
    """Return the hyperbolic tangent of each element, which is 2 sigmoid(2 x) - 1.

    x: any shape; float32 stays float32, integers become float64. LeCun et al. 1998, Efficient BackProp, section 4.4.

    >>> tanh(np.array([-1000.0, 0.0, 1000.0]))
    array([-1.,  0.,  1.])
    """
    (x,) = as_float(x=x)
    return np.tanh(x)


def tanh_grad(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dL/dx of `tanh`: dy * (1 - y²), with y = tanh(x).

    dy, x: the same shape. Raises ValueError naming both shapes where they differ.

    >>> tanh_grad(np.ones(3), np.array([-1000.0, 0.0, 1000.0]))
    array([0., 1., 0.])
    """
    dy, x = same_shape(dy=dy, x=x)
    return dy * (1 - np.tanh(x) ** 2)


def softmax(z: np.ndarray) -> np.ndarray:
    """Return exp(z) / sum(exp(z)) over the last axis: positive numbers that add up to 1.

    z: logits (…, classes); float32 stays float32, integers become float64. The largest logit is subtracted first:
    the result is the same, and exp cannot overflow. Raises ValueError where z has no axis or no class.
    Bridle 1990, Probabilistic interpretation of feedforward classification network outputs.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, -1000.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    (z,) = as_float(z=z)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"z has shape {z.shape}; expected (…, classes) with at least one class")
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_grad(dy: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return dL/dz of `softmax`: p * (dy - sum(dy * p)), the product of dy and the Jacobian diag(p) - p pᵀ.

    dy, z: (…, classes), the same shape. Raises ValueError naming both shapes where they differ.

    >>> softmax_grad(np.array([[1.0, 0.0]]), np.zeros((1, 2)))
    array([[ 0.25, -0.25]])
    """
    dy, z = same_shape(dy=dy, z=z)
    p = softmax(z)
    return p * (dy - (dy * p).sum(axis=-1, keepdims=True))
