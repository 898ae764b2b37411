"""What the tests of recurrent layers share: random cases, each of another shape, and what Keras makes of them.

Keras traces a graph for each shape, which takes longer than all else together. So each kind of layer is traced once, at
the largest shape, and every case is written into the corner of arrays of that shape: what lies around it is 0. Units,
inputs and sequences of zeros add nothing to any sum, and the steps after the last are masked.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SIDES = (4, 6, 5, 6)  # n, steps, inputs, units: from 1 to these
SHAPES = int(np.prod(SIDES))


def case(index: int, gates: int, states: int, bias: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    """Make the case of one index: a shape of its own, sometimes with states and a mask, sometimes without bias."""
    rng = np.random.default_rng(index)
    n, steps, inputs, units = (int(i) + 1 for i in np.unravel_index(index, SIDES))
    made = {
        "x": rng.normal(size=(n, steps, inputs)),
        "w": rng.normal(size=(inputs, gates * units)),
        "u": rng.normal(size=(units, gates * units)),
        "b": rng.normal(size=(*bias, gates * units)) if rng.random() < 0.8 else None,
    }
    with_states = rng.random() < 0.5
    for name in ("h0", "c0")[:states]:
        made[name] = rng.normal(size=(n, units)) if with_states else None
    made["mask"] = rng.random((n, steps)) < 0.7 if rng.random() < 0.5 else None
    return made


def on_many_shapes(test: Callable[[int], None]) -> None:
    """Run a test on 220 shapes that hypothesis draws, none of them twice."""
    seen = set()

    @settings(max_examples=220, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, SHAPES - 1))
    def run(index: int) -> None:
        seen.add(index)
        test(index)

    run()
    assert len(seen) >= 200


def upstream(index: int, h: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Make a gradient of all states, or of the last, as a loss that reads only that one has.

    Before the first step that counts, Keras puts out 0 where we put out h0, the state that it carries too: no gradient
    there.
    """
    rng = np.random.default_rng(index + SHAPES)
    dy = rng.normal(size=h.shape)
    if rng.random() < 0.3:
        dy[:, :-1] = 0
    return dy if mask is None else dy * np.logical_or.accumulate(mask, axis=1)[:, :, None]


def in_keras(layer_class: str, given: dict, dy: np.ndarray | None, dtype: str = "float64", **options):
    """Run a Keras layer with the same weights; return its outputs, last states, and gradients of dy.

    The gradients are those of x, w, u, b and the first states (zeros stand in for those that are not given).
    """
    import keras
    import tensorflow as tf

    bias = given["b"] is not None
    names = [name for name in ("h0", "c0") if name in given]
    units = len(given["u"])
    options |= {
        "kernel_initializer": "zeros",
        "recurrent_initializer": "zeros",
    }  # drawing them takes a third of the time
    options |= {"return_sequences": True, "return_state": True, "use_bias": bias, "dtype": dtype}
    layer = getattr(keras.layers, layer_class)(units, **options)
    layer.build(given["x"].shape)
    layer.set_weights([given[name] for name in ("w", "u", "b") if given[name] is not None])
    zeros = np.zeros((len(given["x"]), units))
    x, *states = (tf.constant(zeros if a is None else a, dtype) for a in (given["x"], *(given[n] for n in names)))
    mask = None if given["mask"] is None else tf.constant(given["mask"])
    with tf.GradientTape() as tape:
        tape.watch([x, *states])
        y, *last = layer(x, initial_state=states, mask=mask)
        loss = tf.reduce_sum(y * tf.constant(np.zeros(y.shape) if dy is None else dy, dtype))
    sources = [x, *(weight.value for weight in layer.weights), *states]
    found = tape.gradient(loss, sources, unconnected_gradients="zero")
    return y.numpy(), [state.numpy() for state in last], [g.numpy() for g in found]


@cache
def largest_in_keras(layer_class: str, *options: tuple[str, bool]) -> Callable:
    """Trace a Keras layer of the largest shape once; return it as a function of arrays of that shape.

    The function takes x, mask, dy, the weights and the first states; it returns the outputs, the last states, and the
    gradients of dy with respect to x, the weights and the first states.
    """
    import keras
    import tensorflow as tf

    n, steps, inputs, units = SIDES
    how = {"return_sequences": True, "return_state": True, "unroll": True, "dtype": "float64"}
    layer = getattr(keras.layers, layer_class)(units, **how, **dict(options))
    layer.build((n, steps, inputs))
    seeds = [v.value for v in layer.non_trainable_variables]  # of the dropout that none has

    @tf.function
    def run(x, mask, dy, weights, states):
        sources = [x, *weights, *states]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            (y, *last), _ = layer.stateless_call(weights, seeds, x, initial_state=states, mask=mask)
            loss = tf.reduce_sum(y * dy)
        return y, last, tape.gradient(loss, sources)

    return run


def corner(array: np.ndarray | None, shape: tuple[int, ...], gates: int = 1) -> np.ndarray:
    """Write an array into the corner of zeros of a larger shape; the last axis holds `gates` corners side by side."""
    made = np.zeros((*shape[:-1], gates, shape[-1] // gates), np.float64 if array is None else array.dtype)
    if array is not None:
        parts = array.reshape(*array.shape[:-1], gates, -1)
        made[tuple(slice(size) for size in parts.shape)] = parts
    return made.reshape(shape)


def cut(array: np.ndarray, shape: tuple[int, ...], gates: int = 1) -> np.ndarray:
    """Take out again what `corner` wrote in."""
    parts = np.reshape(array, (*array.shape[:-1], gates, -1))
    return parts[tuple(slice(size) for size in (*shape[:-1], gates, shape[-1] // gates))].reshape(shape)


def shapes(
    n: int, steps: int, inputs: int, units: int, gates: int, bias: tuple[int, ...], states: list[str]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of x, w, u, b and the first states, in the order of their gradients."""
    weights = {"w": (inputs, gates * units), "u": (units, gates * units), "b": (*bias, gates * units)}
    return {"x": (n, steps, inputs), **weights, **dict.fromkeys(states, (n, units))}


def in_largest(layer_class: str, given: dict, dy: np.ndarray, **options):
    """Run one case in the layer that is traced once; return what `in_keras` does, the gradient of a missing b too."""
    (n, steps, inputs), units = given["x"].shape, len(given["u"])
    gates = given["w"].shape[1] // units
    states = [name for name in ("h0", "c0") if name in given]
    of_all = gates, (2,) if options.get("reset_after") else (), states
    small, large = shapes(n, steps, inputs, units, *of_all), shapes(*SIDES, *of_all)
    parts = {name: gates if name in "wub" else 1 for name in large}
    put = {name: corner(given[name], shape, parts[name]) for name, shape in large.items()}
    mask = np.ones((n, steps), bool) if given["mask"] is None else given["mask"]
    y, last, found = largest_in_keras(layer_class, *options.items())(
        put["x"],
        corner(mask, SIDES[:2]),
        corner(dy, (*SIDES[:2], SIDES[3])),
        [put[name] for name in "wub"],
        [put[name] for name in states],
    )
    gradients = [cut(g, small[name], parts[name]) for name, g in zip(large, found, strict=True)]
    return cut(y, dy.shape), [cut(state, (n, units)) for state in last], gradients


def close(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-6) -> None:
    """Compare relative to the largest element: a sum that cancels is as exact as its terms, not as its result."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(1.0, float(np.abs(theirs).max())))


def compare(index: int, layer_class: str, given: dict, forward: Callable, backward: Callable, **options) -> None:
    """Compare states and gradients of one case with Keras.

    1e-6 in float64: thirty products and six steps lose three or four of its sixteen digits, so anything larger is a
    wrong term. A float32 in between would show as 1e-7, a swapped gate as 1e-1.
    """
    extra = {"reset_after": options["reset_after"]} if "reset_after" in options else {}
    result = forward(**given, **extra)
    h = result[0] if isinstance(result, tuple) else result
    dy = upstream(index, h, given["mask"])
    y, last, gradients = in_largest(layer_class, given, dy, **options)
    counted = np.ones(h.shape[:2], bool) if given["mask"] is None else np.logical_or.accumulate(given["mask"], axis=1)
    close(h * counted[:, :, None], y * counted[:, :, None])
    assert not y[~counted].any(), "Keras no longer puts out 0 before the first step that counts"
    for ours, theirs in zip(result if isinstance(result, tuple) else (result,), last, strict=True):
        close(ours[:, -1], theirs)
    for mine, theirs in zip(backward(dy, **given, **extra), gradients, strict=True):
        close(mine, theirs)
