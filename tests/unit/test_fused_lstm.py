"""A fused LSTM written by hand: the mathematics of notebook 04, and a state that outlives the call."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.infer.tflite import read
from edgelab.maths.rnn import lstm
from edgelab.shrink.convert.fused_lstm import lstm_tflite

# 28 steps of sums of up to 100 products in float32 in another order, on states within -1 and 1
CLOSE = 1e-5


def weights(inputs, units, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((inputs, 4 * units), (units, 4 * units), (4 * units,))
    return [rng.normal(0, 0.4, shape).astype(np.float32) for shape in shapes]


def opened(file, kernels="AUTO"):
    interpreter = Interpreter(model_content=file, experimental_op_resolver_type=OpResolverType[kernels])
    interpreter.allocate_tensors()
    return interpreter


def run(interpreter, x):
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 28), st.integers(0, 2**32 - 1))
def test_it_computes_the_lstm_of_the_reference_and_goes_on_from_its_state(inputs, units, steps, seed):
    """A gate in the wrong place would still give plausible numbers."""
    w, u, b = weights(inputs, units, seed)
    x = np.random.default_rng(seed).normal(size=(1, steps, inputs)).astype(np.float32)
    interpreter = opened(lstm_tflite(w, u, b, steps))
    h, c = lstm(x, w, u, b)
    np.testing.assert_allclose(run(interpreter, x), h, atol=CLOSE)
    further, _ = lstm(x, w, u, b, h[:, -1], c[:, -1])
    np.testing.assert_allclose(run(interpreter, x), further, atol=CLOSE)
    interpreter.reset_all_variables()
    np.testing.assert_allclose(run(interpreter, x), h, atol=CLOSE)


@pytest.mark.parametrize("kernels", ["BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"])
def test_every_set_of_kernels_keeps_the_state(kernels):
    x = np.ones((1, 3, 2), np.float32)
    interpreter = opened(lstm_tflite(*weights(2, 4), steps=3), kernels)
    assert np.abs(run(interpreter, x) - run(interpreter, x)).max() > 0.01


def test_the_file_is_one_operator_that_can_be_read():
    graph = read(lstm_tflite(*weights(3, 4), steps=5))
    assert [operator.kind for operator in graph.operators] == ["UNIDIRECTIONAL_SEQUENCE_LSTM"]
    assert sum(t.data.size for t in graph.tensors if t.data is not None) == 4 * 4 * (3 + 4 + 1)


@pytest.mark.parametrize(
    "wrong, says",
    [
        ((0, np.zeros((3, 7))), r"w has shape \(3, 7\), u \(2, 8\)"),
        ((0, np.zeros(8)), r"w has shape \(8,\)"),
        ((1, np.zeros((3, 8))), r"u \(3, 8\)"),
        ((2, np.zeros(4)), r"b has shape \(4,\), steps is 5; expected \(8,\)"),
        ((3, 0), "steps is 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(wrong, says):
    arguments = [np.zeros((3, 8)), np.zeros((2, 8)), np.zeros(8), 5]
    arguments[wrong[0]] = wrong[1]
    with pytest.raises(ValueError, match=says):
        lstm_tflite(*arguments)
