"""Files in integers after the converter: float operators inside, copies between two scales, versions of operators."""

import warnings

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers, ops

from edgelab.infer.runner import Runner
from edgelab.infer.tflite import Graph, Operator, Tensor, read
from edgelab.shrink.convert.child_process import convert_apart
from edgelab.shrink.convert.converter import repaired, to_tflite
from edgelab.shrink.convert.whole_integer import (
    COPYING,
    float_operators,
    fold_constants,
    for_all_kernels,
    repair_scales,
    scales_apart,
    warn_of_error,
    warn_of_float,
)

X = np.random.default_rng(0).random((120, 8, 8, 3), np.float32)


def ends(*parts):
    keras.utils.set_random_seed(0)
    return Sequential([Input((8, 8, 3)), *parts, layers.Flatten(), layers.Dense(5)])


def turned():
    """A branch that is turned over and joined to one with another range: REVERSE_V2 lies between two scales."""
    image = Input((8, 8, 3))
    branch = ops.flip(layers.Conv2D(3, 3)(image), 1)
    wide = layers.Rescaling(5.0)(layers.Conv2D(3, 3)(image))
    return Model(image, layers.Dense(3)(layers.Flatten()(layers.Concatenate()([branch, wide]))))


def both_ways():
    rows = layers.Reshape((8, 24))
    return ends(rows, layers.Bidirectional(layers.GRU(6, unroll=True, return_sequences=True)))


@pytest.mark.parametrize("make", [turned, both_ways])
@pytest.mark.parametrize("mode", ["int8", "int16x8"])
def test_copies_keep_their_scale(make, mode):
    """The converter gave REVERSE_V2 a scale of its own, and the kernels copy bytes: an error of 6 in answers of 5."""
    keras.utils.set_random_seed(0)
    model = make()
    file = to_tflite(model, mode, X)
    assert scales_apart(read(file)) == []
    right = model(X[:20]).numpy()
    for kernels in ("xnnpack", "builtin", "reference"):
        # int8 without such a copy is off by 0.02 of the largest answer here.
        assert np.abs(Runner(file, kernels=kernels).predict(X[:20]) - right).max() < 0.06 * np.abs(right).max()


@pytest.mark.parametrize(
    "layer, kind, name",
    [
        (lambda: layers.LayerNormalization(name="norm"), "NEG", "norm"),
        (lambda: layers.ELU(name="bent"), "ELU", "bent"),
        (lambda: layers.GroupNormalization(3, name="groups"), "NEG", "groups"),
        (lambda: layers.ReLU(6, negative_slope=0.1, name="slope"), "NEG", "slope"),
    ],
)
def test_float_operators_inside_are_named(layer, kind, name):
    """The file claimed to be int8, and did not say that a device without floats can't run it."""
    with pytest.warns(UserWarning, match=rf"in mode int8: \d operators stay float32.*{kind} \({name}_1\)"):
        file = to_tflite(ends(layer()), "int8", X)
    assert kind in [found for found, _ in float_operators(file)]


def test_three_axes_in_float_are_named():
    model = ends(layers.Reshape((8, 8, 3, 1)), layers.Conv3D(2, 3, name="cube"), layers.Reshape((36, 2)))
    for convert in (to_tflite, convert_apart):
        with pytest.warns(UserWarning, match=r"CONV_3D \(cube_1\)"):
            convert(model, "int8_float_io", X)


@pytest.mark.parametrize("mode", ["int8", "int8_float_io", "int16x8"])
def test_files_of_integers_alone_give_no_warning(mode):
    parts = [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(), layers.Softmax()]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*in mode.*")
        model = ends(*parts)
        file = to_tflite(model, mode, X)
        assert repaired(file, model, X, mode) == file
    assert float_operators(file) == []


@pytest.mark.parametrize("cell", [layers.GRU, layers.SimpleRNN])
def test_what_the_first_state_of_zeros_computes_is_a_constant(cell):
    """Unrolled, a GRU's first step split a constant in float32, in each inference."""
    model = ends(layers.Reshape((8, 24)), cell(6, unroll=True))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*in mode.*")
        file = to_tflite(model, "int8", X)
    assert float_operators(file) == []
    graph, right = read(file), model(X[:20]).numpy()
    made = {each for operator in graph.operators for each in operator.outputs} | set(graph.inputs)
    for operator in graph.operators:
        assert any(each in made for each in operator.inputs)
        assert all(each in made or each == -1 or graph.tensors[each].data is not None for each in operator.inputs)
    for kernels in ("xnnpack", "builtin", "reference"):
        assert np.abs(Runner(file, kernels=kernels).predict(X[:20]) - right).max() < 0.05 * np.abs(right).max()


@pytest.mark.parametrize("layer", [lambda: layers.UpSampling2D(2), lambda: layers.UpSampling2D((1, 3))])
def test_the_reference_kernels_open_repeated_pixels(layer):
    """UpSampling2D becomes TILE of version 3, for which the reference kernels are not registered."""
    model = ends(layer())
    file, right = to_tflite(model, "int8", X), model(X[:20]).numpy()
    assert for_all_kernels(file) == file
    found = [Runner(file, kernels=kernels).predict(X[:20]) for kernels in ("reference", "builtin", "xnnpack")]
    np.testing.assert_array_equal(found[0], found[1])
    for each in found:
        assert np.abs(each - right).max() < 0.04 * np.abs(right).max()


def test_a_file_that_answers_otherwise_is_noticed():
    """Whatever the converter does wrong: another network's file stands for it here."""
    model, other = ends(layers.Conv2D(3, 3)), ends(layers.Conv2D(3, 3), layers.Rescaling(-1.0))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*in mode.*")
        files = [to_tflite(other, mode, X) for mode in ("int8", "int16x8")]
    for file in files:
        with pytest.warns(UserWarning, match="answers 8 of the calibration samples with an error of"):
            warn_of_error(file, model, X[:8], "int8")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_of_error(file, other, X[:8], "int8")
            warn_of_float(file, "int8", "other")


def test_only_copies_between_scales_are_taken_for_wrong():
    def tensor(scale, dtype="int8"):
        return Tensor("t", (1, 4), dtype, None if scale is None else np.float32([scale]), np.array([3]))

    for kind in (*COPYING, "ADD", "QUANTIZE", "CONCATENATION"):
        for a, b, wrong in (
            (tensor(1.0), tensor(2.0), kind in COPYING),
            (tensor(1.0), tensor(1.0), False),
            (tensor(None, "int32"), tensor(None, "int32"), False),
            (tensor(None, "float32"), tensor(None, "float32"), False),
        ):
            graph = Graph((a, b), (Operator(kind, (0,), (1,), {}),), (0,), (1,))
            assert scales_apart(graph) == ([0] if wrong else [])


def test_right_files_are_left_as_they_are():
    file = to_tflite(ends(layers.Conv2D(3, 3)), "int8", X)
    assert repair_scales(file) is file
    assert fold_constants(file) is file
