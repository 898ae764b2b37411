"""The integer engine against LiteRT on networks that it was not written for."""

import numpy as np
import pytest
from _random_tflite import ENDS, IMAGES, VECTORS, additions, networks
from _tflite import RUNTIMES, File
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import OPERATORS, STEPS
from edgelab.infer.integer.place import MISSING
from edgelab.infer.parity import runtime_outputs
from edgelab.infer.tflite import read

LAYERS = IMAGES | VECTORS

# Building a network takes many draws, none of them large.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])


def check(case) -> None:
    tflite, x = case
    kinds = {operator.kind for operator in read(tflite).operators}
    for runtime in RUNTIMES:
        if any(getattr(OPERATORS[kind], runtime) == MISSING for kind in kinds):
            with pytest.raises(ValueError, match="has no int8 kernel"):
                IntegerModel(tflite, runtime)
            continue
        found, computed = runtime_outputs(tflite, x, runtime)[0], IntegerModel(tflite, runtime).run(x)
        np.testing.assert_array_equal(computed, found, err_msg=runtime)


def test_no_operator_of_the_engine_is_left_out():
    assert set.union(*LAYERS.values(), ENDS, {"ARG_MAX", "ARG_MIN"}) == set(STEPS)


@pytest.mark.parametrize("kind", LAYERS)
def test_each_operator(kind):
    """Strides, paddings, dilations, odd sizes, scales with exact halves, fused activations: 20 files a layer."""

    @settings(CALM, max_examples=20)
    @given(networks(kind))
    def run(case):
        assert {operator.kind for operator in read(case[0]).operators} - set(ENDS) == LAYERS[kind] - set(ENDS)
        check(case)

    run()


@pytest.mark.parametrize("kind", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("axis", [1, 2, -1])
def test_where_the_largest_is(kind, dtype, axis):
    """With many equal values: the first counts."""
    file, rng = File(), np.random.default_rng(0)
    x = file.tensor((1, 6, 5, 20), 0.05, 3)
    shape = [n for place, n in enumerate((1, 6, 5, 20)) if place != axis % 4]
    y = file.tensor(shape, dtype=dtype)
    number = getattr(schema.TensorType, dtype.upper())
    file.operator(kind, [x, file.tensor((1,), dtype="int32", data=[axis])], [y], outputType=number)
    check((file.bytes([x], [y]), rng.integers(-3, 3, (50, 6, 5, 20)).astype(np.int8)))


@pytest.mark.parametrize("ends", [ENDS[:1], ENDS[1:], ENDS])
def test_the_float_ends(ends):
    """LiteRT's optimised kernels take 8 values at once, and round what is left over of an image in another way."""

    @settings(CALM, max_examples=40)
    @given(networks(layers=0, ends=ends))
    def run(case):
        assert tuple(operator.kind for operator in read(case[0]).operators) == ends
        check(case)

    run()


@settings(CALM, max_examples=60)
@given(st.floats(2**-14, 8, width=32), st.integers(-128, 127))
@example(0.014156828634440899, 107)  # scales at which the runtimes part, a few of a million inputs
@example(0.001478408114053309, 54)
@example(0.03203373774886131, -100)
def test_the_sigmoid_of_every_input(scale, zero_point):
    file = File()
    x, y = file.tensor((1, 1), scale, zero_point), file.tensor((1, 1), 1 / 256, -128)
    file.operator("LOGISTIC", [x], [y])
    check((file.bytes([x], [y]), np.arange(-128, 128).astype(np.int8)[:, None]))


@settings(CALM, max_examples=80)
@given(additions())
def test_addition_with_axes_that_broadcast(case):
    """The optimised kernel has loops for some ways to broadcast, each with vectors of its own, and none for others."""
    check(case)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
@pytest.mark.parametrize("mean_first", [False, True])
def test_a_vector_beside_an_image_meets_its_own_image(kind, mean_first):
    """Shapes (1, 4) and (1, 3, 3, 4) broadcast; in a batch of 3, vectors must not meet the columns of all images."""
    file, rng = File(), np.random.default_rng(0)
    x, mean, y = file.tensor((1, 3, 3, 4), 0.05, 3), file.tensor((1, 4), 0.03, -2), file.tensor((1, 3, 3, 4), 0.1, 5)
    file.operator("MEAN", [x, file.tensor((2,), dtype="int32", data=[1, 2])], [mean], keepDims=False)
    file.operator(kind, [mean, x] if mean_first else [x, mean], [y])
    check((file.bytes([x], [y]), rng.integers(-128, 128, (3, 3, 3, 4)).astype(np.int8)))


@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 2), (1, 3)])
def test_the_bounds_of_a_pool_with_exact_halves(kind, stride):
    """Found in LiteRT: XNNPACK rounds 1 / 2 to 0, but only where it takes the pool: no gaps."""
    file = File()
    x, y = (file.tensor((1, *shape, 3), 2.0, 58) for shape in ((5, 5), [-(-5 // step) for step in stride]))
    sides = {"filterHeight": 2, "filterWidth": 2, "strideH": stride[0], "strideW": stride[1]}
    file.operator(kind, [x], [y], padding=0, fusedActivationFunction=2, **sides)
    check((file.bytes([x], [y]), np.random.default_rng(0).integers(-128, 128, (8, 5, 5, 3)).astype(np.int8)))


def test_a_batch_left_open_is_a_batch_of_one():
    """As converters other than ours write it: LiteRT runs one image, or as many as it is resized to."""
    file, rng = File(), np.random.default_rng(0)
    x = file.tensor((1, 4, 4, 2), 0.05, 3, signature=[-1, 4, 4, 2])
    w = file.tensor((3, 3, 3, 2), 0.02, data=rng.integers(-127, 128, (3, 3, 3, 2)))
    b = file.tensor((3,), 0.001, dtype="int32", data=rng.integers(-500, 500, 3))
    between = file.tensor((1, 2, 2, 3), 0.2, -4, signature=[-1, 2, 2, 3])
    y = file.tensor((1, 12), 0.2, -4, signature=[-1, 12])
    file.operator("CONV_2D", [x, w, b], [between], strideH=1, strideW=1, padding=1)
    file.operator("RESHAPE", [between, file.tensor((2,), dtype="int32", data=[-1, 12])], [y], newShape=[-1, 12])
    case = file.bytes([x], [y]), rng.integers(-128, 128, (5, 4, 4, 2)).astype(np.int8)
    check(case)
    interpreter = Interpreter(model_content=case[0], experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.resize_tensor_input(x, case[1].shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(x, case[1])
    interpreter.invoke()
    np.testing.assert_array_equal(IntegerModel(case[0]).run(case[1]), interpreter.get_tensor(y))


@settings(CALM, max_examples=40)
@given(networks(layers=4))
def test_chains_of_operators(case):
    """Each reads what another made, and ADD, MUL and CONCATENATION what lies further back."""
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYERS)
def test_each_operator_many_times(kind):
    @settings(CALM, max_examples=400)
    @given(networks(kind, images=16))
    def run(case):
        check(case)

    run()


@pytest.mark.slow
@settings(CALM, max_examples=1000)
@given(networks(layers=6))
def test_long_chains_of_operators(case):
    check(case)


@pytest.mark.slow
@settings(CALM, max_examples=1000)
@given(additions(images=16))
def test_addition_with_axes_that_broadcast_many_times(case):
    check(case)


@pytest.mark.slow
@settings(CALM, max_examples=1000)
@given(networks(layers=0, images=16, ends=ENDS))
def test_the_float_ends_many_times(case):
    check(case)
