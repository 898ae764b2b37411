"""Quantization-aware training: rounding and gradient by hand, what is rounded where, and the file that comes out."""

import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from _export_once import export_once
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.data import load_mnist, to_input
from edgelab.infer.parity import differences, runtime_outputs
from edgelab.infer.runner import Runner
from edgelab.infer.tflite import read
from edgelab.shrink.convert.folding import fold
from edgelab.shrink.quantize.affine import choose_channel_qparams, choose_qparams, dequantize, quantize
from edgelab.shrink.quantize.by_layer import sqnr_db
from edgelab.shrink.quantize.quantization_aware import (
    fake_quantize,
    fake_quantize_kernel,
    learn_ranges,
    moving_range,
    quantize_aware,
    rounded,
    to_tflite_qat,
)
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.fitting.training import fit, set_seed
from edgelab.train.networks.family import light

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import qat as benchmark


@pytest.fixture(scope="module")
def digits():
    mnist = load_mnist()
    return mnist.x_train[:1200], mnist.y_train[:1200].astype(int)


def every_layer():
    """A network with each layer that is supported, and with weights that are no longer what they began as."""
    from keras import Input, Model, layers

    set_seed(1)
    image = Input((28, 28, 1))
    x = layers.Conv2D(6, 5, 2, padding="same", activation="relu", name="stem")(image)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, use_bias=False, name="deep")(x)
    x = layers.ReLU(6.0, name="six")(layers.Conv2D(6, 1, name="point")(x))
    y = layers.Conv2D(6, 3, padding="same", name="branch")(x)
    x = layers.Activation("relu", name="after")(layers.Add(name="add")([x, y]))
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="two")(x)
    x = layers.AveragePooling2D(2, name="average")(x)
    y = layers.Dropout(0.2)(layers.Flatten()(x))
    y = layers.Reshape((3, 3, 12))(layers.Dense(108, activation="relu", name="hidden")(y))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.Add(name="both")([x, y]))
    x = layers.Dense(10, name="logits")(x)
    model = Model(image, x, name="every")
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([w + rng.normal(0, 0.05, w.shape) for w in layer.get_weights()])
    return model


def stored_as_int8(tflite):
    """Return the file with its int4 weights in a byte each."""
    graph, model = read(tflite), schema.ModelT.InitFromPackedBuf(tflite, 0)
    for number, tensor in enumerate(graph.tensors):
        if tensor.dtype == "int4":
            found = model.subgraphs[0].tensors[number]
            found.type, found.buffer = schema.TensorType.INT8, len(model.buffers)
            model.buffers.append(schema.BufferT(data=np.frombuffer(tensor.data.tobytes(), np.uint8)))
    builder = flatbuffers.Builder(len(tflite))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@settings(deadline=None, max_examples=40)
@given(st.floats(-20, 0), st.floats(0.01, 20), st.sampled_from([2, 4, 8]), st.booleans(), st.integers(0, 2**32 - 1))
def test_fake_quantization_is_quantizing_and_back(low, high, bits, narrow, seed):
    """Against the integers themselves; values within a thousandth of a step of a tie may go either way in float32."""
    x = np.random.default_rng(seed).uniform(1.5 * low - 0.1, 1.5 * high, 200).astype(np.float32)
    scale, zero_point = choose_qparams(low, high, bits, narrow=narrow)
    q = np.clip(np.rint(x / scale) + zero_point, *(-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1))
    expected = (q - zero_point) * scale
    found = fake_quantize(x, low, high, bits, narrow).numpy()
    # Whether the zero point itself is at a tie, the two may choose differently: the whole grid is then one step off.
    place = 2 ** (bits - 1) - narrow - low / scale
    if abs(place - np.floor(place) - 0.5) > 1e-3:
        tie = np.abs(np.abs(x / scale - np.floor(x / scale)) - 0.5) < 1e-3
        np.testing.assert_allclose(found[~tie], expected[~tie], atol=1e-4 * float(scale), rtol=1e-5)
        assert np.abs(found - expected).max() <= scale * 1.001


@settings(deadline=None, max_examples=25)
@given(st.floats(-5, 0), st.floats(0.1, 5), st.sampled_from([4, 8]), st.integers(0, 2**32 - 1))
def test_the_gradient_goes_straight_through(low, high, bits, seed):
    """dx is dy within the range and 0 outside: written out here, from the range that contains 0 exactly."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    x, dy = rng.uniform(2 * low - 1, 2 * high + 1, 100).astype(np.float32), rng.normal(size=100).astype(np.float32)
    scale, zero_point = (float(v) for v in choose_qparams(low, high, bits))
    ends = [(q - zero_point) * scale for q in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)]
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(fake_quantize(variable, low, high, bits) * dy)
    found = tape.gradient(loss, variable).numpy()
    clear = np.minimum(np.abs(x - ends[0]), np.abs(x - ends[1])) > 1.01 * scale  # the range may be moved by a step
    np.testing.assert_array_equal(found[clear], np.where((x > ends[0]) & (x < ends[1]), dy, 0)[clear])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.sampled_from([4, 8]), st.integers(0, 2**32 - 1))
def test_kernels_are_rounded_to_symmetric_integers_channel_by_channel(channels, bits, seed):
    """Against `choose_channel_qparams` and `quantize`; the gradient is dy everywhere: no weight is outside."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    w = (rng.normal(size=(3, 3, 2, channels)) * rng.uniform(0.1, 3, channels)).astype(np.float32)
    scale, zero_point = choose_channel_qparams(w, -1, bits)
    expected = dequantize(quantize(w, scale, zero_point, bits, axis=-1), scale, zero_point, axis=-1)
    variable = tf.Variable(w)
    with tf.GradientTape() as tape:
        found = fake_quantize_kernel(variable, bits)
        loss = tf.reduce_sum(found)
    tie = np.abs(np.abs(w / scale - np.floor(w / scale)) - 0.5) < 1e-3
    np.testing.assert_allclose(found.numpy()[~tie], expected[~tie], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(tape.gradient(loss, variable), np.ones_like(w))
    one = fake_quantize_kernel(w, bits, per_channel=False).numpy()
    assert len(np.unique(one)) <= 2**bits - 1
    # Half a step of the widest channel
    assert np.abs(one - w).max() <= np.abs(w).max() / (2 ** (bits - 1) - 1) * 0.501


def test_a_channel_that_died_has_a_scale_and_no_nan():
    w = np.zeros((3, 3, 1, 2), np.float32)
    np.testing.assert_array_equal(fake_quantize_kernel(w, 4), w)
    w[..., 1] = 2.0
    np.testing.assert_allclose(fake_quantize_kernel(w, 4), w, rtol=1e-6)


def test_ranges_are_a_mean_at_first_and_then_a_moving_average():
    """Written out in NumPy: the share of batch k is the larger of 1/k and 1 - momentum. 0 always lies within."""
    rng = np.random.default_rng(0)
    layer, low, high = moving_range(momentum=0.8), 0.0, 0.0
    for k in range(1, 12):
        x = rng.normal(0.3, 1, (4, 5)).astype(np.float32)
        layer(x, training=True)
        share = max(0.2, 1 / k)
        low, high = low + share * (min(x.min(), 0) - low), high + share * (max(x.max(), 0) - high)
    assert float(layer.low) == pytest.approx(low, rel=1e-5)
    assert float(layer.high) == pytest.approx(high, rel=1e-5)
    assert float(layer.batches) == 11
    before = float(layer.low), float(layer.high)
    layer(np.full((1, 5), 99, np.float32), training=False)
    assert (float(layer.low), float(layer.high)) == before, "inference may not move the ranges"
    positive = moving_range()
    positive(np.float32([3, 4]), training=True)
    assert float(positive.low) == 0


def test_a_range_that_met_nothing_gives_nan_and_one_of_zeros_gives_zeros():
    """Never a plausible number from a range that nobody learned."""
    layer = moving_range()
    assert np.isnan(layer(np.float32([0.0, 1.0]), training=False)).all()
    layer(np.zeros(3, np.float32), training=True)
    np.testing.assert_array_equal(layer(np.float32([0.0, 0.0]), training=False), [0, 0])


@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "Dense"])
def test_a_rounded_layer_is_the_layer_with_a_rounded_kernel(kind):
    from keras import layers

    rng = np.random.default_rng(1)
    options = {"Conv2D": {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, "Dense": {"units": 4}}
    options["DepthwiseConv2D"] = {"kernel_size": 3, "depth_multiplier": 2}
    x = rng.normal(size=(2, 5) if kind == "Dense" else (2, 8, 8, 4)).astype(np.float32)
    plain, new = (getattr(layers, kind)(activation="relu", **options[kind]) for _ in range(2))
    new = rounded(new, bits=4)
    plain(x), new(x)
    w, b = (rng.normal(size=v.shape).astype(np.float32) for v in plain.get_weights())
    new.layer.set_weights([w, b])
    flat = w.reshape(*w.shape[:2], -1) if kind == "DepthwiseConv2D" else w
    plain.set_weights([np.reshape(fake_quantize_kernel(flat, 4, per_channel=kind != "Dense"), w.shape), b])
    np.testing.assert_allclose(new(x), plain(x), rtol=1e-5, atol=1e-5)  # float32 sums in one order or another
    assert [v.path.split("/")[-1] for v in new.trainable_variables] == ["kernel", "bias"]
    np.testing.assert_array_equal(new.layer.get_weights()[0], w)  # it stays float to be trained


def test_there_is_one_rounding_for_the_input_and_for_each_result():
    """After a ReLU, not before it; none after pooling and reshaping, which have the scale of their input."""
    model = quantize_aware(every_layer())
    places = [layer.name.removesuffix("_range") for layer in model.layers if layer.name.endswith("_range")]
    assert places[0].startswith(("input", "keras_tensor"))
    expected = {"stem", "deep", "six", "branch", "after", "two", "hidden", "mean", "both", "logits"}
    assert set(places[1:]) == expected


def test_weights_are_copies_and_eight_bits_change_little(digits):
    network = every_layer()
    before = [w.copy() for w in network.get_weights()]
    model = quantize_aware(network, bits=8)
    learn_ranges(model, digits[0][:200])
    x = to_input(digits[0][:50])
    # Eleven roundings of about 45 dB each
    assert sqnr_db(network(x), model(x, training=False)) > 30
    model.get_layer("stem").layer.kernel.assign(np.zeros((5, 5, 1, 6)))
    for was, w in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(was, w)


@pytest.mark.parametrize("augment", [None, pytest.param(Augment(), marks=pytest.mark.slow)])
def test_fit_trains_it_as_it_is(augment, digits):
    """Weights and ranges both; the settling of BatchNorm that follows moved images finds none and does nothing."""
    set_seed(1)
    model = quantize_aware(fold(light("c6s2 s8")), bits=4)
    first = [w.copy() for w in model.get_weights()]
    how = {"epochs": 2, "batch_size": 50, "validation": 0.25, "progress": False, "augment": augment}
    history = fit(model, *digits, learning_rate=1e-2, **how)
    assert history["loss"][1] < history["loss"][0]
    assert {float(layer.batches) for layer in model.layers if "range" in layer.name} == {36.0}
    changed = [not np.array_equal(a, b) for a, b in zip(first, model.get_weights(), strict=True)]
    assert all(changed)


@pytest.fixture(scope="module")
def converted(digits):
    """Both numbers of bits: the model that answers in float as the integers will, and its file."""
    made = {}
    for bits in (8, 4):
        model = quantize_aware(every_layer(), bits)
        learn_ranges(model, digits[0][:300])
        with export_once():
            made[bits] = model, to_tflite_qat(model)
    return made


@pytest.mark.parametrize("bits", [8, 4])
def test_the_file_has_integers_only_and_the_scales_that_were_learned(bits, converted):
    model, tflite = converted[bits]
    graph = read(tflite)
    assert {t.dtype for t in graph.tensors} == ({"int8", "int32"} if bits == 8 else {"int8", "int4", "int32"})
    ends = [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)]
    ranges = [layer for layer in model.layers if layer.name.endswith("_range")]
    for tensor, layer in zip(ends, (ranges[0], model.get_layer("logits_range")), strict=True):
        assert tensor.dtype == "int8"
        assert tensor.scale[0] == pytest.approx((float(layer.high) - float(layer.low)) / 255, rel=1e-5)
    assert graph.tensors[graph.inputs[0]].shape == (1, 28, 28, 1)


@pytest.mark.parametrize("bits", [8, 4])
def test_the_files_weights_are_the_models(bits, converted):
    """Layer by layer: integer times scale is the kernel that was trained with. Four bits are packed, 15 values used."""
    model, tflite = converted[bits]
    graph = read(tflite)
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    stored = [graph.tensors[o.inputs[1]] for o in graph.operators if o.kind in kinds]
    found = {}
    for w in stored:
        shape = [1] * w.data.ndim
        shape[w.axis] = -1
        found[w.name] = np.sort((w.data * w.scale.reshape(shape)).ravel())
        assert np.abs(w.data).max() == 2 ** (bits - 1) - 1
        assert w.dtype == f"int{bits}"
        assert w.bytes == -(-w.data.size * bits // 8)
    kernels = [layer.kernel().numpy() for layer in model.layers if hasattr(layer, "bits")]
    assert len(kernels) == len(stored)
    for w in kernels:
        # The file's scales are float32, found by another path
        assert any(v.size == w.size and np.allclose(v, np.sort(w.ravel()), 1e-4, 1e-6) for v in found.values())


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("kernels", ["reference", "builtin", "xnnpack"])
def test_the_runtime_answers_as_the_model_did(bits, kernels, converted, digits):
    """What was trained is what runs: the same roundings, but for ties and biases, a step or two of the logits."""
    model, tflite = converted[bits]
    x = to_input(digits[0][:100])
    expected, found = model(x, training=False).numpy(), Runner(tflite, kernels).predict(x)
    step = Runner(tflite).output_quantization[0]
    assert np.abs(found - expected).max() <= 4 * step
    assert np.abs(found - expected).mean() < 0.7 * step


@pytest.mark.parametrize("bits", [8, 4])
def test_the_integer_engine_gives_every_logit(bits, converted, digits):
    """On all three sets of kernels, each by its own rule."""
    tflite = converted[bits][1]
    x = Runner(tflite).as_input(to_input(digits[0][:60]))
    found = differences(tflite, x)
    assert [found[name, name] for name in ("reference", "builtin", "xnnpack")] == [0, 0, 0]


def test_int4_answers_as_the_same_weights_in_a_byte_each(converted, digits):
    """Packing is storage alone: kernels without delegates give the same logits, bit for bit. Half the bytes go."""
    four = converted[4][1]
    eight = stored_as_int8(four)
    x = Runner(four).as_input(to_input(digits[0][:60]))
    for runtime in ("reference", "builtin"):
        np.testing.assert_array_equal(runtime_outputs(four, x, runtime)[0], runtime_outputs(eight, x, runtime)[0])
    sizes = [
        sum(t.bytes for t in read(file).tensors if t.dtype in ("int8", "int4") and t.data is not None)
        for file in (eight, four)
    ]
    assert sizes[1] == pytest.approx(sizes[0] / 2, abs=len(read(four).operators))


@pytest.fixture(scope="module")
def folded():
    """A network that is only looked at."""
    return light_folded()


@pytest.mark.parametrize("bits", [0, 2, 5, 16, 8.5, "8"])
def test_bits_that_no_kernel_takes(bits, folded):
    with pytest.raises(ValueError, match=f"bits is {bits!r}; expected 8 or 4"):
        quantize_aware(folded, bits)


def refused():
    """Return layers that can't be, with what is said."""
    from keras import layers

    return {
        "batch": (layers.BatchNormalization(name="odd"), "is a BatchNormalization: fold it first"),
        "norm": (layers.LayerNormalization(name="odd"), "layer 'odd' of 'bad' is a LayerNormalization; supported are"),
        "sigmoid": (layers.Conv2D(3, 1, activation="sigmoid", name="odd"), "'odd' of 'bad' has the activation sigmoid"),
        "tanh": (layers.Activation("tanh", name="odd"), "has the activation tanh; expected relu or none"),
        "leaky": (layers.ReLU(negative_slope=0.1, name="odd"), "'odd' of 'bad' isn't plain; expected ReLU or ReLU6"),
        "four": (layers.ReLU(4.0, name="odd"), "isn't plain"),
        "groups": (layers.Conv2D(4, 1, groups=2, name="odd"), "has 2 groups; expected 1"),
    }


@pytest.mark.parametrize("which", ["batch", "norm", "sigmoid", "tanh", "leaky", "four", "groups"])
def test_layers_that_cannot_be(which):
    """Named, before hours of training end in the converter's own words."""
    from keras import Input, Sequential, layers

    odd, says = refused()[which]
    with pytest.raises(ValueError, match=says):
        quantize_aware(Sequential([Input((4, 4, 4)), odd, layers.Flatten(), layers.Dense(2)], name="bad"))


def test_networks_that_cannot_be():
    from keras import Input, Model, layers

    image, twice = Input((4,)), layers.Dense(4, name="twice")
    with pytest.raises(ValueError, match="layer 'twice' of .* is used 2 times; expected once"):
        quantize_aware(Model(image, twice(twice(image))))
    with pytest.raises(ValueError, match="1 inputs, 2 outputs; expected one"):
        quantize_aware(Model(image, [layers.Dense(2)(image), layers.Dense(2)(image)]))


def test_what_was_not_trained_is_not_converted():
    """The converter would take any range there is and write a file of 10 % accuracy."""
    model = quantize_aware(light_folded())
    with pytest.raises(ValueError, match=r"_range of 'light' has learned no range \(nan to nan after 0 batches\)"):
        to_tflite_qat(model)
    with pytest.raises(ValueError, match="model 'light' has no ranges to learn; expected what quantize_aware returned"):
        to_tflite_qat(light_folded())


def light_folded():
    return fold(light("c4s2"))


@pytest.fixture(scope="module")
def untrained():
    """A network whose ranges nothing has been learned for: what refuses its images leaves it so."""
    return quantize_aware(light_folded())


GOOD = np.random.default_rng(0).integers(0, 256, (120, 28, 28), np.uint8)


@pytest.mark.parametrize(
    "images, error, words",
    [
        (GOOD[:0], ValueError, r"images have shape \(0, 28, 28\)"),
        (GOOD[:1] * 0, ValueError, "1 calibration samples; expected at least 100, drawn from every class"),
        (GOOD[:99], ValueError, "99 calibration samples; expected at least 100"),
        (GOOD * 0, ValueError, "constant"),
        (np.repeat(GOOD[:1], 1000, axis=0), ValueError, r"constant \(every sample is the same\)"),
        (to_input(GOOD), TypeError, "images are float32; expected uint8 in 0..255.* Do not divide by 255 beforehand"),
        (to_input(GOOD) * np.nan, TypeError, "images are float32; expected uint8"),
        (GOOD.astype(int), TypeError, "images are int64; expected uint8"),
        (GOOD.tolist(), TypeError, "images are list; expected uint8"),
        (GOOD[0], ValueError, r"images have shape \(28, 28\); expected \(n, height, width\)"),
        (GOOD[:, 1:], ValueError, "images are 27×28×1; the model takes 28×28×1"),
        (np.stack([GOOD] * 3, -1), ValueError, "images are 28×28×3; the model takes 28×28×1"),
    ],
)
def test_images_that_no_range_can_be_learned_from_are_named(images, error, words, untrained):
    """Scaled twice, or one black image: the ranges would end at 1/255 or 0, and the file answer 10 %. All stay NaN."""
    with pytest.raises(error, match=words):
        learn_ranges(untrained, images)
    assert all(np.isnan(float(layer.high)) for layer in untrained.layers if layer.name.endswith("_range"))


def test_of_many_images_only_some_become_float32_to_be_checked(monkeypatch):
    import edgelab.shrink.quantize.quantization_aware as module

    sizes, check = [], module.check_calibration
    monkeypatch.setattr(module, "check_calibration", lambda x, *rest: [sizes.append(len(x)), check(x, *rest)])
    model = quantize_aware(light_folded())
    learn_ranges(model, np.tile(GOOD, (20, 1, 1)), 1200)
    assert sizes[0] < 400
    assert float(model.layers[1].high) == 1


def test_ranges_of_colour_images_and_of_an_open_size():
    from keras import Input, Sequential, layers

    rows = [layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    model = quantize_aware(Sequential([Input((None, None, 3)), *rows]))
    learn_ranges(model, np.stack([GOOD] * 3, -1))
    assert float(model.layers[1].high) == 1


def test_a_run_of_the_benchmark_is_left_until_its_row_is_there(tmp_path):
    """Other weights to begin with or another tuning make a row another one's."""
    (tmp_path / "tiny_1.keras").write_bytes(b"some")
    runs = benchmark.planned(["tiny"], [1])
    assert [training for _, _, training in runs] == list(benchmark.TRAININGS)
    rows = [{**benchmark.depends(*run, tmp_path), "test": 0.9} for run in runs]
    assert benchmark.left(runs, rows[:2], tmp_path) == runs[2:]
    assert benchmark.left(runs, [{**rows[3], "epochs": 1}], tmp_path) == runs
    (tmp_path / "tiny_1.keras").write_bytes(b"others")
    assert benchmark.left(runs, rows, tmp_path) == runs


@pytest.mark.slow
def test_the_benchmark_compares_with_floats_trained_as_long(tmp_path, digits, monkeypatch):
    """A small run from end to end: rows for each kind of weights, and int4 in less bytes than int8."""
    from edgelab.train.networks.models import to_keras_bytes

    monkeypatch.setitem(benchmark.TUNINGS, "tiny", benchmark.Tuning(1, 1e-3))
    monkeypatch.setattr("_cores.use_cores", lambda n: None)  # this process has run TensorFlow already
    set_seed(1)
    (tmp_path / "tiny_1.keras").write_bytes(to_keras_bytes(light(benchmark.FAMILY["tiny"].plan, "tiny")))
    rows = [row for training in ("float", "qat4") for row in benchmark.run("tiny", 1, training, tmp_path, 1200)]
    assert [(row["training"], row["weights"]) for row in rows] == [
        ("float", "float32"), ("float", "int8"), ("float", "int4"), ("qat4", "int4"),
    ]  # fmt: skip
    assert {row["epochs"] for row in rows} == {1}
    sizes = [row["constant_bytes"] for row in rows]
    assert sizes[0] > sizes[1] > sizes[2] == sizes[3]
    assert benchmark.left(benchmark.planned(["tiny"], [1]), rows, tmp_path) == [
        ("tiny", 1, "none"),
        ("tiny", 1, "qat8"),
    ]
