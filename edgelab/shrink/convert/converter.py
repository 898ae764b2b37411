"""Convert a Keras model to the bytes of a .tflite: calibration data checked, nothing printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgelab.quiet import quiet
from edgelab.shrink.convert.biases import repair_biases
from edgelab.shrink.convert.moves import move_integers
from edgelab.shrink.convert.whole_integer import (
    fold_constants,
    for_all_kernels,
    repair_scales,
    warn_of_error,
    warn_of_float,
)
from edgelab.train.structure import calls, check_declared, every_layer, flat

if TYPE_CHECKING:
    import keras

MODES = ("float32", "float16", "dynamic", "int8", "int8_float_io", "int16x8")
CALIBRATED = ("int8", "int8_float_io", "int16x8")


def check_calibration(
    calibration: np.ndarray,
    shape: tuple[int, ...],
    labels: np.ndarray | None = None,
    classes: int | None = None,
    input_range: tuple[float, float] = (0.0, 1.0),
    at_least: int = 100,
) -> None:
    """Check that calibration data look like the inputs on which the model will run.

    The converter accepts any data: calibrated on one black image, it writes a model of 11 % accuracy without an error.
    calibration: float32 (n, *shape). shape: of one input, without the batch. labels: int (n,), when known. Raises
    TypeError or ValueError that says what was found: another dtype or shape, too few samples, NaN, values out of range,
    constant data, equal samples, or no sample of some class.

    >>> check_calibration(np.random.default_rng(0).random((100, 28, 28, 1), np.float32), (28, 28, 1))
    """
    calibration = np.asarray(calibration)
    if calibration.dtype != np.float32:
        raise TypeError(
            f"calibration data is {calibration.dtype}; expected float32 as the model takes it "
            "(uint8 images: x.astype('float32') / 255)"
        )
    if calibration.shape[1:] != tuple(shape):
        raise ValueError(
            f"calibration data has shape {calibration.shape}; expected (n, {', '.join(map(str, shape))}): "
            "a batch of the model's inputs"
        )
    if len(calibration) < at_least:
        raise ValueError(
            f"{len(calibration)} calibration samples; expected at least {at_least}, drawn from every class"
        )
    if not np.isfinite(calibration).all():
        raise ValueError("calibration data contains NaN or infinity; expected finite values: remove those samples")
    low, high = float(calibration.min()), float(calibration.max())
    if low < input_range[0] or high > input_range[1]:
        raise ValueError(
            f"calibration data runs from {low:g} to {high:g}; expected {input_range[0]:g} to {input_range[1]:g}. "
            "Scale it exactly as in training, or pass the input_range of your model"
        )
    if high == low or (calibration == calibration[0]).all():
        raise ValueError("calibration data is constant (every sample is the same); expected a sample of real inputs")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(calibration),):
            raise ValueError(f"labels have shape {labels.shape}; expected ({len(calibration)},), one a sample")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels are {labels.dtype}; expected integers (class numbers, not one-hot rows)")
        classes = classes or int(labels.max()) + 1
        if labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()}; the model has {classes} classes, 0 to {classes - 1}"
            )
        missing = sorted(set(range(classes)) - set(labels.tolist()))
        if missing:
            raise ValueError(f"no calibration sample of class {missing}; draw some from every class")


def check_convertible(model: keras.Model) -> tuple[int, ...]:
    """Return the shape of a model's input, without the batch, after checking that it can be converted.

    Raises ValueError with what to do for a model without a declared input, more inputs than one, an open size, layers
    that compute in another type than float32, and operations that the converter can't write.

    >>> from keras import Input, Sequential, layers
    >>> check_convertible(Sequential([Input((4,)), layers.Dense(2)]))
    (4,)
    """
    check_declared(model)
    whole = tuple(model.inputs[0].shape)
    if None in whole[1:]:
        raise ValueError(f"model {model.name!r} takes {whole}; only the batch may be open. Fix the others")
    for layer in every_layer(model):
        if getattr(layer, "compute_dtype", "float32") in ("float16", "bfloat16", "float64"):
            raise ValueError(
                f"layer {layer.name!r} of {model.name!r} computes in {layer.compute_dtype}, policy "
                f"{layer.dtype_policy.name}; the converter takes float32. Build the model anew after "
                "keras.config.set_dtype_policy('float32'), and give it the same weights: set_weights"
            )
    for node in calls(flat(model)):
        kind = type(node.operation).__name__
        if kind in ("Argmax", "Argmin") and node.operation.__module__.startswith("keras"):
            raise ValueError(
                f"{model.name!r} contains keras.ops.{kind.lower()}, which the converter can't write; tf.{kind.lower()} "
                f"can be: call it within a Lambda layer or a layer of your own. Or end in logits, and take the "
                f"{kind.lower()} of what the file answers"
            )
    return whole[1:]


def label_count(model: keras.Model) -> int:
    """Return how many classes labels may have: the units of a model's output, two for a single one.

    Raises ValueError for a model with several outputs, of which labels can't be of all, or with an output that is not
    (n, classes).

    >>> from keras import Input, Sequential, layers
    >>> label_count(Sequential([Input((4,)), layers.Dense(1, activation="sigmoid")]))
    2
    """
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][-1] is None:
        found = ", ".join(map(str, shapes))
        raise ValueError(
            f"labels are given, and model {model.name!r} has {len(shapes)} outputs, of shape {found}; expected one, "
            "(n, classes). Leave labels out, and draw the calibration samples from all kinds of inputs yourself"
        )
    return max(2, shapes[0][-1])


def refuse_loops(model: keras.Model, mode: str) -> None:
    """Raise ValueError, naming the layer, for a recurrent layer that is a loop, in a mode with calibration.

    In place of an error the converter was seen to end its process there.

    >>> import keras
    >>> refuse_loops(keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4, unroll=True)]), "int8")
    """
    import keras

    every = model._flatten_layers(include_self=False)  # also those inside nested models and wrappers
    loops = [layer.name for layer in every if isinstance(layer, keras.layers.RNN) and not layer.unroll]
    if mode in CALIBRATED and loops:
        raise ValueError(
            f"recurrent layer {loops[0]!r} is a loop, which mode {mode!r} does not support. "
            "Build the layer with unroll=True and set_weights, or use mode float32, float16 or dynamic"
        )


def check_conversion(
    model: keras.Model,
    mode: str,
    calibration: np.ndarray | None,
    labels: np.ndarray | None,
    input_range: tuple[float, float],
) -> tuple[int, ...]:
    """Check all that a conversion needs before TensorFlow starts; return the shape of the model's input.

    Arguments and errors as for `to_tflite`, which calls it, as `convert_apart` does.

    >>> check_conversion(None, "int4", None, None, (0.0, 1.0))
    Traceback (most recent call last):
    ValueError: unknown mode 'int4'; the modes are: float32, float16, dynamic, int8, int8_float_io, int16x8
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}; the modes are: {', '.join(MODES)}")
    if mode in CALIBRATED and calibration is None:
        raise ValueError(f"mode {mode!r} needs calibration data: float32, a few hundred real inputs of every class")
    shape = check_convertible(model)
    if mode in CALIBRATED:
        check_calibration(calibration, shape, labels, None if labels is None else label_count(model), input_range)
    refuse_loops(model, mode)
    return shape


def to_tflite(
    model: keras.Model,
    mode: str,
    calibration: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    input_range: tuple[float, float] = (0.0, 1.0),
) -> bytes:
    """Convert a Keras model to a .tflite with the batch fixed to 1.

    mode: "float32"; "float16" (weights halved, computed in float32); "dynamic" (weights of large layers in int8,
    activations rounded just before such a layer); "int8" (weights, activations, input and output in int8);
    "int8_float_io" (the same inside, float32 at both ends); "int16x8" (int8 weights, int16 activations, float32 at both
    ends). calibration: float32 (n, *input shape) in input_range, needed by the last three to choose the scales. labels:
    int (n,), optional, to check that every class is there. In these modes biases, scales of copies and versions of
    operators that the converter got wrong are repaired, and a UserWarning names the operators that stay float32, or
    says that the file answers otherwise than Keras. Returns the file's bytes. Raises ValueError or TypeError for an
    unknown mode, unfit calibration data, or a recurrent layer that the mode can't convert; RuntimeError with the
    converter's message when it fails. Source: Jacob et al. 2018, sections 2 and 3.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    >>> to_tflite(model, "float32")[4:8]
    b'TFL3'
    """
    shape = check_conversion(model, mode, calibration, labels, input_range)

    import keras
    import tensorflow as tf

    # Batch 1: a runtime can plan all memory for it, and LiteRT.js refuses a batch that is open.
    inputs = keras.Input(shape, batch_size=1, name="image")
    fixed = keras.Model(inputs, model(inputs, training=False), name=model.name)
    try:
        with quiet():
            converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
            if mode != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if mode == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if mode in CALIBRATED:
                converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
                # Without this line an operator that has no kernel in int8 stays float32, without an error.
                kernels = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
                if mode == "int16x8":
                    kernels = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
                converter.target_spec.supported_ops = [kernels]
            if mode == "int8":
                converter.inference_input_type = converter.inference_output_type = tf.int8
            tflite = converter.convert()
    except RuntimeError as error:
        unknown = _unwritten(str(error))
        if "BitwiseAnd" in unknown:
            raise ValueError(
                f"{model.name!r}: {unknown}. keras.ops.argmax and argmin contain it; tf.argmax and tf.argmin can be "
                "written"
            ) from error
        raise RuntimeError(f"{model.name!r}: {unknown}\n{error}" if unknown else str(error)) from error
    if mode not in CALIBRATED:
        return tflite
    return repaired(tflite, model, calibration, mode)


def _unwritten(message: str) -> str:
    """Return which operators the converter says it can't write, and where; "" if it says something else."""
    import re

    lines = [line for line in message.splitlines() if "error: loc(" in line]
    found = [re.search(r'fused\["(\w+):", "([^"@]*)', line) for line in lines]
    named = dict.fromkeys(f"{each[1]} (in {each[2]})" for each in found if each)
    return f"the converter can't write {', '.join(named)}" if named else ""


def repaired(tflite: bytes, model: keras.Model, calibration: np.ndarray, mode: str) -> bytes:
    """Return a file in integers with its biases, scales of copies, float moves and versions of operators repaired.

    Arguments as for `to_tflite`, with the file that the converter wrote. Warns (UserWarning) of operators that stay
    float32, and of answers far from Keras' on a few calibration samples.

    >>> repaired(b"1234TFL2", None, None, "int8")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: model in memory: not a .tflite (8 bytes, no TFL3 mark at byte 4). Convert a Keras model with ...
    """
    tflite = for_all_kernels(move_integers(fold_constants(repair_scales(repair_biases(tflite)))))
    warn_of_float(tflite, mode, model.name)
    warn_of_error(tflite, model, np.asarray(calibration)[:: -(-len(calibration) // 8)], mode)
    return tflite
