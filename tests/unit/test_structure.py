"""What a Keras model consists of: each function that walks one reaches every layer, or names what it can't reach."""

import keras
import numpy as np
import pytest
from keras import Input, Model, Sequential, layers, ops

from edgelab.data import check_images
from edgelab.shrink.compress import distil, distiller, magnitude_mask, probabilities_of, prune_channels, pruning, share
from edgelab.shrink.compress.cluster_train import to_layers
from edgelab.shrink.convert import check_convertible, convert_apart, fold, label_count, to_onnx, to_tflite
from edgelab.shrink.quantize import learn_ranges, quantize_aware
from edgelab.train.costs import count
from edgelab.train.fitting import fit, settle
from edgelab.train.judging import evaluate, predict
from edgelab.train.networks.models import to_keras_bytes
from edgelab.train.sequences import step_model
from edgelab.train.structure import (
    calls,
    check_classifier,
    check_declared,
    check_no_hidden,
    every_layer,
    flat,
    rebuilt,
)
from edgelab.train.transfer import cut_head, fine_tune, probe

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (120, 8, 8, 1), np.uint8), np.arange(120) % 3
F = X[:20].astype(np.float32) / 255


def used(model, seed=0):
    """Give each weight and average a value of its own: zeros and ones would hide a wrong place."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            spread = any(word in weight.path for word in ("variance", "gamma"))
            weight.assign(rng.uniform(0.5, 2, weight.shape) if spread else rng.normal(0, 0.4, weight.shape))
    return model


def backbone(name="backbone", last=True):
    parts = [layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm"), layers.ReLU()]
    return Sequential([Input((8, 8, 1)), *parts, *([layers.GlobalAveragePooling2D()] if last else [])], name=name)


def functional(norm=True):
    image, base = Input((8, 8, 1)), backbone(last=False)
    return Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(base(image, training=False))))


def in_a_sequential(norm=True):
    return Sequential([Input((8, 8, 1)), backbone(), Sequential([Sequential([layers.Dense(4)]), layers.Dense(3)])])


def twins(norm=True):
    """Two inner models whose layers have the same names."""
    image = Input((8, 8, 1))
    return Model(image, layers.Dense(3)(layers.Add()([backbone("a")(image), backbone("b")(image)])))


def across(norm=True):
    """BatchNorm in the outer model after a convolution in the inner one."""
    image, base = Input((8, 8, 1)), Sequential([Input((8, 8, 1)), layers.Conv2D(4, 3)])
    return Model(image, layers.Dense(3)(layers.Flatten()(layers.BatchNormalization()(base(image)))))


NESTED = [functional, in_a_sequential, twins, across]


@pytest.mark.parametrize("make", NESTED)
def test_a_flat_copy_answers_as_the_model(make):
    model = used(make())
    copy = flat(model)
    assert not [layer for layer in copy.layers if isinstance(layer, Model)]
    assert len({layer.name for layer in copy.layers}) == len(copy.layers)
    np.testing.assert_array_equal(copy(F).numpy(), model(F).numpy())
    assert flat(copy) is copy


def test_an_inner_model_keeps_its_shared_weights_and_its_named_inputs():
    """A layer that is shared is one layer in a copy too; inputs given by name arrive under their names."""
    image, base = Input((8, 8, 1)), backbone()
    shared = used(Model(image, layers.Subtract()([base(image), base(layers.Rescaling(2.0)(image))])))
    assert flat(shared).count_params() == shared.count_params()
    np.testing.assert_array_equal(flat(shared)(F).numpy(), shared(F).numpy())
    a, b = (Input((8, 8, 1), name=name) for name in "ab")
    inner = Model({"a": a, "b": b}, layers.Subtract()([a, layers.Rescaling(3.0)(b)]))
    outer = Model(image, layers.Flatten()(inner({"b": image, "a": layers.Rescaling(5.0)(image)})))
    np.testing.assert_array_equal(flat(outer)(F).numpy(), outer(F).numpy())


def test_operations_lambdas_and_layers_without_a_config():
    image = Input((8, 8, 1))
    sums = Model(image, ops.mean(layers.Lambda(lambda x: 2 * x)(backbone()(image)) + 1, axis=1, keepdims=True))
    np.testing.assert_array_equal(flat(sums)(F).numpy(), sums(F).numpy())

    class Own(layers.Layer):
        def __init__(self):
            super().__init__(name="mine")

        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"layer 'mine', a Own, can't be built again .*get_config"):
        rebuilt(Model(image, Own()(image)))


def test_walking_reaches_wrappers_lists_and_cells():
    class Own(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Dense(2, name="in_a_list")]

        def call(self, x):
            return self.parts[0](x)

    x = Input((6, 8))
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True, name="gru"))
    model = Model(x, Own()(layers.TimeDistributed(layers.Dense(4, name="each"))(both(x))))
    names = {layer.name for layer in every_layer(model)}
    assert {"in_a_list", "each", "forward_gru", "backward_gru"} <= names
    with pytest.raises(ValueError, match=r"layer 'time_distributed.*', a TimeDistributed, holds 'each', a Dense"):
        check_no_hidden(model, (layers.Dense,), "shared")


def test_calls_are_those_of_this_graph_alone():
    """Keras lists calls of a layer in all models that use it; a part of a network is no second reader."""
    model = used(Sequential([Input((8, 8, 1)), layers.Conv2D(2, 3, name="c"), layers.BatchNormalization(name="n")]))
    Model(model.inputs, layers.Flatten()(model.layers[0].output))
    assert [node.operation.name for node in calls(model)] == ["c", "n"]
    assert fold(model).count_params() == model.count_params() - 8


@pytest.mark.parametrize("make", NESTED)
def test_batchnorm_is_folded_at_any_depth(make):
    model = used(make())
    folded = fold(model)
    assert not [layer for layer in every_layer(folded) if isinstance(layer, layers.BatchNormalization)]
    np.testing.assert_allclose(folded(F), model(F), atol=1e-4)


def test_batchnorm_that_cannot_be_folded_is_named_wherever_it_is():
    x = Input((5, 8, 8, 1))
    hidden = Model(x, layers.TimeDistributed(layers.BatchNormalization(name="n"), name="each")(x))
    with pytest.raises(ValueError, match=r"layer 'each', a TimeDistributed, holds 'n'.* can't be folded"):
        fold(hidden)
    image, conv, norm = Input((8, 8, 3)), layers.Conv2D(3, 1, name="c"), layers.BatchNormalization(name="n")
    with pytest.raises(ValueError, match="n follows c, called 2 times"):
        fold(Model(image, norm(conv(norm(conv(image))))))
    # As many rows as channels: along the wrong axis it would fit, and answer something else
    with pytest.raises(ValueError, match="n2 follows .* has axis 1"):
        fold(Sequential([Input((6, 6, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(axis=1, name="n2")]))


@pytest.mark.parametrize("make", [*NESTED, None])
def test_pruning_reaches_every_kernel(make):
    """It passed over inner models, wrappers and quantization-aware layers, and said nothing."""
    inner = [layers.TimeDistributed(layers.Dense(4)), layers.Flatten(), layers.Dense(3)]
    model = make() if make else Sequential([Input((8, 8, 1)), layers.Reshape((8, 8)), *inner])
    callback = pruning(0.5, 1, 2, 1)
    fit(model, X, Y, epochs=1, batch_size=20, progress=False, callbacks=[callback])
    kernels = [layer.kernel for layer in every_layer(model) if isinstance(layer, layers.Dense | layers.Conv2D)]
    assert len(kernels) == len(callback.masks)
    for kernel in kernels:
        assert (kernel.numpy() == 0).mean() == pytest.approx(0.5, abs=0.5 / kernel.shape.num_elements() + 0.01)
    nothing = Sequential([Input((8, 8, 1)), layers.SeparableConv2D(3, 3), layers.GlobalAveragePooling2D()])
    with pytest.raises(ValueError, match="no Dense or Conv2D layer"):
        fit(nothing, X, Y, epochs=1, progress=False, callbacks=[callback])


@pytest.mark.parametrize("make", NESTED)
def test_weights_are_shared_at_any_depth(make):
    model = used(make())
    shared = share(model, 200)
    kernels = [layer for layer in flat(model).layers if isinstance(layer, layers.Dense | layers.Conv2D)]
    assert sum(hasattr(layer, "codes") for layer in shared.layers) == len(kernels)
    # 200 values for kernels of up to 432 weights: close to the model, and nowhere near another
    np.testing.assert_allclose(shared(F), model(F), atol=0.05 * np.abs(model(F)).max())


def test_what_has_no_kernel_or_hides_one_is_not_shared():
    x = Input((8, 8, 1))
    with pytest.raises(ValueError, match="no Dense or Conv2D layer"):
        share(Model(x, layers.Flatten()(x)), 4)
    with pytest.raises(ValueError, match="holds 'hidden', a Dense, which can't be shared there"):
        share(Model(x, layers.TimeDistributed(layers.Dense(3, name="hidden"))(x)), 4)
    branched = Model(x, layers.Flatten()(layers.Conv2D(2, 3)(x)))
    two = Model(branched.inputs, [branched.outputs[0], layers.Dense(2)(layers.Flatten()(x))])
    with pytest.raises(ValueError, match="does not read the layer before it alone"):
        to_layers(share(two, 4))


@pytest.mark.parametrize("frozen", ["conv", "dense", "all"])
def test_frozen_layers_are_rounded_shared_and_stay_frozen(frozen):
    """Their variables are not among those that are trained; both functions failed inside Keras."""
    conv, dense = layers.Conv2D(4, 3), layers.Dense(3)
    model = used(Sequential([Input((8, 8, 1)), conv, layers.Flatten(), dense]))
    for layer in {"conv": [conv], "dense": [dense], "all": [model]}[frozen]:
        layer.trainable = False
    aware, shared = quantize_aware(model), share(model, 100)
    learn_ranges(aware, X, len(X))
    np.testing.assert_allclose(aware(F), model(F), atol=0.05 * np.abs(model(F)).max())
    np.testing.assert_allclose(shared(F), model(F), atol=0.05 * np.abs(model(F)).max())
    for built in (aware, shared):
        assert len(built.trainable_variables) == len(model.trainable_variables)
    if frozen == "all":
        with pytest.raises(ValueError, match="no trainable weights"):
            fit(aware, X, Y, epochs=1, progress=False)
        with pytest.raises(ValueError, match="no trainable weights"):
            fine_tune(model, X, Y, steps=1)
        return
    before = aware.get_layer(conv.name if frozen == "conv" else dense.name).layer.kernel.numpy()
    fit(aware, X, Y, epochs=1, progress=False)
    after = aware.get_layer(conv.name if frozen == "conv" else dense.name).layer.kernel.numpy()
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("make", NESTED)
def test_quantization_aware_at_any_depth(make):
    model = fold(used(make()))
    aware = quantize_aware(model)
    nested = Sequential([Input((8, 8, 1)), model]) if make is functional else model
    assert [layer.name for layer in quantize_aware(nested).layers[2:]] == [layer.name for layer in aware.layers[2:]]
    learn_ranges(aware, X, len(X))
    np.testing.assert_allclose(aware(F), model(F), atol=0.06 * np.abs(model(F)).max())


def test_operations_and_other_types_are_no_layers_to_train():
    x = Input((8, 8, 1))
    with pytest.raises(ValueError, match="is the operation Add; expected layers"):
        quantize_aware(Model(x, layers.Flatten()(x + layers.Conv2D(1, 1)(x))))
    with pytest.raises(ValueError, match="computes in float16; expected float32"):
        quantize_aware(Model(x, layers.Conv2D(2, 3, dtype="mixed_float16")(x)))
    with pytest.raises(ValueError, match="is a Bidirectional; supported are"):
        quantize_aware(Model(x, layers.Bidirectional(layers.GRU(2))(layers.Reshape((8, 8))(x))))


@pytest.mark.parametrize("make", NESTED)
def test_statistics_of_a_backbone_stay_in_fine_tuning_and_are_settled(make):
    model = used(make())
    norms = [layer for layer in every_layer(model) if isinstance(layer, layers.BatchNormalization)]
    before = [norm.moving_mean.numpy() for norm in norms]
    fine_tune(model, X, Y, steps=3)
    for norm, mean in zip(norms, before, strict=True):
        np.testing.assert_array_equal(norm.moving_mean.numpy(), mean)
        norm.trainable = True
    if make is not functional:  # there the backbone is called with training=False
        settle(model, X)
        assert all((norm.moving_mean.numpy() != mean).any() for norm, mean in zip(norms, before, strict=True))


def test_a_head_is_cut_off_an_inner_model():
    model = used(in_a_sequential())
    cut = cut_head(model)
    base = next(layer for layer in model.layers if layer.name == "backbone")
    np.testing.assert_array_equal(cut(F).numpy(), base(F).numpy())
    assert cut_head(model, pool=2).output_shape == (None, 36)


def test_channels_are_cut_in_inner_models_and_never_across_a_softmax():
    model = used(in_a_sequential())
    smaller = prune_channels(model, {"conv": np.array([0, 3])})
    assert smaller.get_layer("conv").filters == 2
    kept = used(in_a_sequential())
    norm = kept.get_layer("backbone").get_layer("norm")
    scale, shift, mean, variance = norm.get_weights()
    scale[1:3] = shift[1:3] = 0  # these channels are 0 after BatchNorm, and read by nothing then
    norm.set_weights([scale, shift, mean, variance])
    np.testing.assert_allclose(smaller(F), kept(F), atol=1e-5)
    mixing = Sequential([Input((4,)), layers.Dense(5, activation="softmax", name="d"), layers.Dense(3)])
    with pytest.raises(ValueError, match="layer d mixes channels"):
        prune_channels(mixing, {"d": np.array([0, 1])})


class Undeclared(Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(3)

    def call(self, x):
        return self.dense(ops.reshape(x, (-1, 64)))


C = X.astype(np.float32) / 255
TAKES_A_MODEL = {
    "to_tflite": lambda m: to_tflite(m, "float32"),
    "to_tflite int8": lambda m: to_tflite(m, "int8", C),
    "convert_apart": lambda m: convert_apart(m, "int8", C),
    "to_onnx": to_onnx,
    "fold": fold,
    "quantize_aware": quantize_aware,
    "share": lambda m: share(m, 4),
    "prune_channels": lambda m: prune_channels(m, {}),
    "distil": lambda m: distil(m, backbone(), X, Y),
    "distiller": lambda m: distiller(backbone(), m),
    "fit": lambda m: fit(m, X, Y, progress=False),
    "fine_tune": lambda m: fine_tune(m, X, Y),
    "predict": lambda m: predict(m, X),
    "evaluate": lambda m: evaluate(m, X, Y),
    "cut_head": cut_head,
    "probe": lambda m: probe(m, X, Y),
    "count": count,
    "learn_ranges": lambda m: learn_ranges(m, X),
    "flat": flat,
}


@pytest.mark.parametrize("name", TAKES_A_MODEL)
def test_a_model_without_a_declared_input_is_refused_with_advice(name):
    """Keras answered with an AttributeError of its own."""
    for model in (Sequential([layers.Flatten(), layers.Dense(3)]), Undeclared()):
        with pytest.raises(ValueError, match=r"(without a declared input|is not built|call\(\) of its own)"):
            TAKES_A_MODEL[name](model)
    own = Undeclared()
    own(F)  # called once, it still declares nothing
    with pytest.raises(ValueError, match=r"(Wrap it|functional)"):
        TAKES_A_MODEL[name](own)


@pytest.mark.parametrize("name", sorted(set(TAKES_A_MODEL) - {"count"}))
def test_what_is_no_model_is_named(name):
    with pytest.raises(TypeError, match=r"the model is 'model.keras', a str; expected a Keras model"):
        TAKES_A_MODEL[name]("model.keras")


def test_code_that_no_file_holds_is_named_before_a_process_starts():
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    x = Input((8, 8, 1))
    for layer in (Twice(name="mine"), layers.Lambda(lambda x: 2 * x, name="mine")):
        model = Model(x, layers.GlobalAveragePooling2D()(layer(x)))
        with pytest.raises(ValueError, match="layer 'mine' .* the other process can't build it"):
            convert_apart(model, "float32")
        assert to_tflite(model, "float32")[4:8] == b"TFL3"
    assert predict(probe(model, X, np.arange(120) % 2), X).shape == (120, 2)  # Keras' own copies refuse a Lambda


def test_models_that_cannot_be_stored_or_taken_apart_are_named():
    class Twice(layers.Layer):
        def call(self, x):
            return 2 * x

    x = Input((4,))
    with pytest.raises(ValueError, match="can't be stored as it is: 'mine', a Twice can't be built from text"):
        to_keras_bytes(Model(x, Twice(name="mine")(x)))
    with pytest.raises(ValueError, match=r"can't be stored as it is: a Lambda, or its own call\(\) can't"):
        to_keras_bytes(Model(x, layers.Lambda(lambda x: 2 * x)(x)))
    for model in (Model(x, layers.Dense(1)(x)), Sequential([layers.GRU(3), layers.Dense(1)])):
        with pytest.raises(ValueError, match="expected a GRU and a Dense"):
            step_model(model)


def test_the_advice_works():
    own, x = Undeclared(), Input((8, 8, 1))
    assert evaluate(Model(x, own(x)), X, Y).confusion.sum() == 120
    late = Sequential([layers.Flatten(), layers.Dense(3)])
    late.build((None, 8, 8, 1))
    assert predict(late, X).shape == (120, 3)
    check_declared(late)


def test_ends_that_are_no_classifier_are_named():
    x = Input((8, 8, 1))
    flattened = layers.Flatten()(x)
    for model, says in (
        (Model(x, [layers.Dense(3)(flattened), layers.Dense(1)(flattened)]), "1 inputs, 2 outputs; expected one of"),
        (Model(x, layers.Dense(3)(x)), r"answers \(None, 8, 8, 3\); expected \(n, classes\)"),
        (Model(x, layers.Dense(1, activation="sigmoid")(flattened)), r"a single output; .*Dense\(2\)"),
    ):
        for function in (check_classifier, lambda m: fit(m, X, Y, progress=False), lambda m: evaluate(m, X, Y)):
            with pytest.raises(ValueError, match=says):
                function(model)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1)])
def test_images_with_and_without_an_axis_of_channels(shape):
    """Input((28, 28)) is what beginners write; a check inside failed on it."""
    keras.utils.set_random_seed(0)
    model = Sequential([Input(shape), layers.Flatten(), layers.Dense(3)])
    for x in (X, X[..., 0]):
        history = fit(model, x, Y, epochs=1, progress=False)
        assert np.isfinite(history["loss"]).all()
        np.testing.assert_array_equal(predict(model, x), predict(model, X))
        assert evaluate(model, x, Y).confusion.shape == (3, 3)
        fine_tune(model, x, Y, steps=1)
    aware = quantize_aware(Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)]))
    learn_ranges(aware, X[..., 0])


@pytest.mark.parametrize("shape", [(64,), (3,), (8, 8, 3), (8, 9), (4, 8, 8, 1)])
def test_images_of_another_shape_get_advice(shape):
    model = Sequential([Input(shape), layers.Flatten(), layers.Dense(3)])
    says = "Begin it with" if len(shape) in (1, 4) else "the model takes"
    for function in (lambda: fit(model, X, Y), lambda: predict(model, X), lambda: evaluate(model, X[..., 0], Y)):
        with pytest.raises(ValueError, match=says):
            function()
    with pytest.raises(ValueError, match="28×28×3; the model takes 28×28×1"):
        check_images(np.zeros((1, 28, 28, 3), np.uint8), size=(28, 28))


def test_labels_are_checked_against_one_output_of_classes():
    """With two outputs the check died in range(); one class, and labels that no class has, were accepted."""
    x = Input((8, 8, 1))
    flattened = layers.Flatten()(x)
    heads = [layers.Dense(3)(flattened), layers.Dense(1)(flattened)]
    two, three = Model(x, heads), Model(x, heads[0])
    sigmoid, maps = Model(x, layers.Dense(1, activation="sigmoid")(flattened)), Model(x, layers.Conv2D(3, 3)(x))
    assert (label_count(three), label_count(sigmoid)) == (3, 2)
    for model, labels, error, says in (
        (two, Y, ValueError, r"labels are given, .* has 2 outputs, of shape .*\(None, 1\); expected one"),
        (maps, Y, ValueError, r"has 1 outputs, of shape \(None, 6, 6, 3\); expected one, \(n, classes\)"),
        (sigmoid, np.zeros(120, int), ValueError, r"no calibration sample of class \[1\]"),
        (three, np.arange(120) % 6, ValueError, "labels run from 0 to 5; the model has 3 classes, 0 to 2"),
        (three, np.arange(120) % 3 - 1, ValueError, "labels run from -1 to 1; the model has 3 classes"),
        (three, np.eye(3)[Y], ValueError, r"labels have shape \(120, 3\); expected \(120,\)"),
        (three, Y.astype(float), TypeError, "labels are float64; expected integers"),
    ):
        for function in (to_tflite, convert_apart):
            with pytest.raises(error, match=says):
                function(model, "int8", C, labels)
    assert to_tflite(two, "int8", C)[4:8] == to_tflite(sigmoid, "int8", C, Y % 2)[4:8] == b"TFL3"


@pytest.mark.parametrize("mode", ["float32", "int8"])
def test_what_the_converter_cannot_write_is_named_with_what_to_do(mode):
    """It failed with a page of its internals."""
    x = Input((8, 8, 1))
    logits = layers.Dense(3)(layers.Flatten()(x))
    inner = Sequential([Input((8, 8, 1)), Model(x, ops.argmin(logits, axis=1))])
    half = Model(x, layers.Dense(3, name="half", dtype="mixed_float16")(layers.Flatten()(x)))
    for model, says in (
        (Model(x, ops.argmax(logits, axis=1)), r"keras\.ops\.argmax, .* tf\.argmax can be"),
        (inner, r"keras\.ops\.argmin, .* tf\.argmin can be"),
        (half, "layer 'half' .* computes in float16, policy mixed_float16; .*set_dtype_policy"),
        (Sequential([Input((8, 8, 1)), half]), "layer 'half' .* computes in float16"),
        (Model(x, layers.Flatten(dtype="float64")(x)), "computes in float64"),
    ):
        for function in (lambda m: to_tflite(m, mode, C), check_convertible, lambda m: convert_apart(m, mode, C)):
            with pytest.raises(ValueError, match=says):
                function(model)


def test_operators_within_a_layer_of_ones_own_are_named_too():
    class Own(layers.Layer):
        def call(self, x):
            return ops.argmax(x, axis=-1)

    class Bell(layers.Layer):
        def call(self, x):
            return ops.erf(x)

    x = Input((8, 8, 1))
    for layer in (Own(name="most"), layers.Lambda(lambda z: ops.argmin(z, -1), name="most")):
        with pytest.raises(ValueError, match=r"can't write BitwiseAnd \(in .*most.*\)\. .*tf\.argmax"):
            to_tflite(Model(x, layer(layers.Flatten()(x))), "float32")
    with pytest.raises(RuntimeError, match=r"can't write Erf \(in .*bell"):
        to_tflite(Model(x, Bell(name="bell")(x)), "float32")


def test_the_advice_for_argmax_works():
    import tensorflow as tf

    from edgelab.infer.runner import open_interpreter

    x = Input((8, 8, 1))
    model = Model(x, layers.Lambda(lambda z: tf.argmax(z, 1))(layers.Dense(3)(layers.Flatten()(x))))
    interpreter = open_interpreter(to_tflite(model, "float32"), "builtin")
    (start,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(start["index"], F[:1])
    interpreter.invoke()
    assert interpreter.get_tensor(end["index"])[0] == model(F[:1]).numpy()[0]


def probabilities():
    """Models to probabilities, each by another way."""
    softmax = keras.activations.softmax

    class Own(layers.Layer):
        def call(self, x):
            return softmax(x)

    class OwnSigmoid(layers.Layer):
        def call(self, x):
            return ops.sigmoid(x)

    def dense(**how):
        return layers.Dense(3, **how)

    x = Input((8, 8, 1))
    logits = Sequential([Input((8, 8, 1)), layers.Flatten(), dense()])
    shares = ops.exp(logits(x))
    return {
        "activation": Sequential([Input((8, 8, 1)), layers.Flatten(), dense(activation="softmax")]),
        "Softmax": Model(x, layers.Softmax()(logits(x))),
        "Activation": Model(x, layers.Activation("softmax")(logits(x))),
        "ops.softmax": Model(x, ops.softmax(logits(x))),
        "inner": Sequential([Input((8, 8, 1)), Model(x, layers.Softmax()(logits(x)))]),
        "reshaped": Model(x, layers.Reshape((3,))(layers.Softmax()(logits(x)))),
        "dropped": Model(x, layers.Activation("linear")(layers.Dropout(0.1)(layers.Softmax()(logits(x))))),
        "sigmoid": Model(x, layers.Dense(3, activation="sigmoid")(layers.Flatten()(x))),
        "ops.sigmoid": Model(x, ops.sigmoid(logits(x))),
        "own": Model(x, Own()(logits(x))),
        "own sigmoid": Model(x, OwnSigmoid()(used(logits)(x))),
        "divided": Model(x, shares / ops.sum(shares, axis=1, keepdims=True)),
        "Lambda": Model(x, layers.Lambda(lambda z: softmax(z))(logits(x))),
    }


def test_probabilities_are_found_in_any_form():
    """A softmax on top of softmax flattens a teacher's answers, without an error."""
    x = Input((8, 8, 1))
    plain = Model(x, layers.Dense(3)(layers.Flatten()(x)))
    for name, model in probabilities().items():
        assert probabilities_of(model), name
        with pytest.raises(ValueError, match="the teacher ends in (softmax|sigmoid)"):
            distiller(plain, model)
        with pytest.raises(ValueError, match="the student ends in (softmax|sigmoid)"):
            distiller(model, plain)


def test_logits_are_accepted_in_any_form():
    """log softmax is as good as logits; a student of zeros, or of values between 0 and 1, is no softmax."""
    x = Input((8, 8, 1))
    flattened = layers.Flatten()(x)
    for last in (
        layers.Dense(3, kernel_initializer="zeros"),
        layers.Dense(3, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant([0.5, 0.3, 0.4])),
        layers.Dense(3, activation="log_softmax"),
        layers.Dense(3, activation="tanh"),
        Sequential([layers.Dense(4, activation="sigmoid"), layers.Dense(3)]),
        Sequential([layers.Dense(4, activation="softmax"), layers.Dense(3)]),
    ):
        assert probabilities_of(Model(x, last(flattened))) == ""


def test_masks_are_kept_for_layers_of_equal_names():
    model, callback = twins(), pruning(0.5, 1, 1, mask=magnitude_mask)
    fit(model, X, Y, epochs=1, progress=False, callbacks=[callback])
    assert {"a/conv", "b/conv"} <= set(callback.masks)
