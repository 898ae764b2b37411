"""Checks of arguments for `nn` and `optim`: matching shapes, one float type, labels and rates within their range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def as_float(**arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays in one float type: the widest among them, float64 where all are integers.

    arrays: under the names that an error message uses. float32 with float32 or uint8 stays float32; an array that has
    the type already is not copied. Raises TypeError for anything but real numbers (text, complex, objects).

    >>> x, w = as_float(x=np.zeros(3, np.uint8), w=np.ones(3, np.float32))
    >>> x.dtype.name, as_float(x=[1, 2])[0].dtype.name
    ('float32', 'float64')
    """
    found = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} is {array.dtype}; expected real numbers: floats, integers or booleans")
    dtype = np.result_type(*found.values())
    dtype = dtype if dtype.kind == "f" else np.dtype(float)
    return [array.astype(dtype, copy=False) for array in found.values()]


def same_shape(**arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays as `as_float` does, after checking that all have the same shape.

    Without the check NumPy would broadcast (n,) with (n, 1) to (n, n), and the mean over that is wrong without an
    error. Raises ValueError naming both shapes and the first axis that differs.

    >>> same_shape(y_pred=[1.0, 2.0], y=[0, 2])[1]
    array([0., 2.])
    """
    found = dict(zip(arrays, as_float(**arrays), strict=True))
    (first, a), *others = found.items()
    for name, b in others:
        if a.shape != b.shape:
            pairs = enumerate(zip(a.shape, b.shape, strict=False))
            axis = next((i for i, (m, n) in pairs if m != n), min(a.ndim, b.ndim))
            raise ValueError(
                f"{first} has shape {a.shape}, {name} {b.shape}: axis {axis} differs; expected the same shape"
            )
    return list(found.values())


def check_not_empty(**arrays: np.ndarray) -> None:
    """Raise ValueError naming the first array that has no elements.

    arrays: under the names that an error message uses.

    >>> check_not_empty(y=np.zeros((0, 3)))
    Traceback (most recent call last):
    ValueError: y has shape (0, 3); expected at least one element
    """
    for name, array in arrays.items():
        if array.size == 0:
            raise ValueError(f"{name} has shape {array.shape}; expected at least one element")


def check_finite(**arrays: np.ndarray) -> None:
    """Raise ValueError naming the first element that is NaN or infinite, and its index.

    arrays: under the names that an error message uses.

    >>> check_finite(x=np.array([1.0, np.nan]))
    Traceback (most recent call last):
    ValueError: x is nan at (1,); expected finite numbers
    """
    for name, array in arrays.items():
        for i in np.argwhere(~np.isfinite(array))[:1]:
            at = tuple(i.tolist())
            raise ValueError(f"{name} is {array[at]} at {at}; expected finite numbers")


def check_rates(**rates: float) -> list[float]:
    """Return an optimiser's rates as Python floats, after checking their range.

    rates: learning_rate and epsilon must be above 0; every other, such as momentum or beta_1, from 0 up to but not
    including 1. A NumPy float64 would turn float32 parameters into float64; a Python float does not.
    Raises ValueError naming the first rate out of range.

    >>> check_rates(learning_rate=0.1, momentum=1.0)
    Traceback (most recent call last):
    ValueError: momentum is 1.0; expected from 0 up to but not including 1
    """
    for name, value in rates.items():
        if name in ("learning_rate", "epsilon"):
            fits, expected = value > 0, "a number above 0"
        else:
            fits, expected = 0 <= value < 1, "from 0 up to but not including 1"
        if not fits:
            raise ValueError(f"{name} is {value}; expected {expected}")
    return [float(value) for value in rates.values()]


def check_dense(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, dy: np.ndarray | None = None) -> None:
    """Raise ValueError where the shapes of a dense layer's arrays do not match, naming the arrays and the axis.

    x: (n, inputs). w: (inputs, outputs), Keras' layout. b: (outputs,). dy: (n, outputs). Each axis is at least 1.

    >>> check_dense(np.ones((2, 3)), np.ones((4, 5)))
    Traceback (most recent call last):
    ValueError: x has shape (2, 3), w (4, 5): axis 1 of x and axis 0 of w, the inputs, differ
    """
    for name, array, axes in (("x", x, "(n, inputs)"), ("w", w, "(inputs, outputs)")):
        if array.ndim != 2 or array.size == 0:
            hint = {1: f": one row is {name}[None]", 2: ", each at least 1"}.get(
                array.ndim, f": flatten with {name}.reshape(len({name}), -1)" if array.ndim else ""
            )
            raise ValueError(f"{name} has shape {array.shape}; expected {axes}{hint}")
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"x has shape {x.shape}, w {w.shape}: axis 1 of x and axis 0 of w, the inputs, differ")
    if b is not None and b.shape != w.shape[1:]:
        raise ValueError(f"b has shape {b.shape}, w {w.shape}; expected {w.shape[1:]}: one bias for each column of w")
    if dy is not None and dy.shape != (len(x), w.shape[1]):
        raise ValueError(
            f"dy has shape {dy.shape}, x {x.shape}, w {w.shape}; expected {(len(x), w.shape[1])}: "
            "axis 0 of x and axis 1 of w"
        )


def check_labels(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return logits as floats and labels as an integer array, after checking that there is one label for each row.

    logits: (n, classes). y: integers (n,), 0 to classes - 1. Raises ValueError naming the shapes, or the first label
    that is out of range, and for one-hot rows; TypeError for labels that are not integers.

    >>> check_labels([[0.5, 1.5]], [1])
    (array([[0.5, 1.5]]), array([1]))
    """
    (logits,), y = as_float(logits=logits), np.asarray(y)
    if logits.ndim != 2 or logits.size == 0:
        raise ValueError(f"logits have shape {logits.shape}; expected (n, classes), each at least 1")
    if y.ndim == 2 and y.shape == logits.shape and y.shape[1] > 1:
        raise ValueError(
            f"y has shape {y.shape}, that of one-hot rows; expected class numbers (n,). Convert with y.argmax(axis=1)"
        )
    if y.shape != logits.shape[:1]:
        raise ValueError(f"y has shape {y.shape}, logits {logits.shape}; expected {logits.shape[:1]}: axis 0 of logits")
    if y.dtype.kind not in "iu":
        raise TypeError(f"y is {y.dtype}; expected integers: the class numbers")
    classes = logits.shape[1]
    wrong = np.flatnonzero((y < 0) | (y >= classes))
    if len(wrong):
        raise ValueError(f"y[{wrong[0]}] is {y[wrong[0]]}; expected 0 to {classes - 1}: logits have {classes} columns")
    return logits, y


def check_lists(**lists: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Return lists of float arrays, after checking that all lists are equally long and pair up in shape.

    lists: under the names that an error message uses, the parameters first; the others take the parameters' float type.
    Raises TypeError for a single array, whose rows would be taken for parameters; ValueError naming lengths or shapes.

    >>> check_lists(params=[np.zeros(2, np.float32)], gradients=[[1, 2]])[1][0].dtype.name
    'float32'
    """
    (first, params), *others = lists.items()
    for name, found in lists.items():
        if not isinstance(found, list | tuple):
            raise TypeError(f"{name} is {type(found).__name__}; expected a list of arrays such as [w, b]")
        if len(found) != len(params):
            raise ValueError(f"{len(params)} {first} and {len(found)} {name}; expected as many {name} as {first}")
    if not params:
        raise ValueError(f"{first} is empty; expected at least one array")
    params = [as_float(**{f"{first}[{i}]": p})[0] for i, p in enumerate(params)]
    for name, found in others:
        for i, (p, array) in enumerate(zip(params, found, strict=True)):
            if np.shape(array) != p.shape:
                raise ValueError(f"{name}[{i}] has shape {np.shape(array)}, {first}[{i}] {p.shape}; expected the same")
    return [params, *([np.asarray(a, p.dtype) for p, a in zip(params, found, strict=True)] for _, found in others)]
