"""Counting networks: against Keras' parameters, TensorFlow's own counts, published figures, and memory by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest
from _examples import examples
from _shufflenet import MILLION_MACS, shufflenet_v1
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgelab.maths.conv import conv2d_macs
from edgelab.train.costs import shapes_only
from edgelab.train.costs.counting import PRECISIONS, Cost, Row, bits, count, live_bytes
from edgelab.train.networks import models
from edgelab.train.networks.blocks import conv_bn, depthwise_bn, squeeze_excite
from edgelab.train.networks.family import light
from edgelab.train.sequences import failure_warning as sequences

PLANS = st.lists(
    st.builds("{}{}k{}s{}".format, st.sampled_from("cdm"), st.integers(1, 12), st.integers(1, 5), st.integers(1, 2)),
    min_size=1,
    max_size=3,  # with the pooling between them, a fourth may find no pixel left
).map(" p ".join)


def sequential(*layers, shape=(28, 28, 1)):
    from keras import Input, Sequential

    return Sequential([Input(shape), *layers])


def tensorflow_macs(model) -> int:
    """Count as TensorFlow's profiler does, products only: it gives each operation two FLOPs a multiply-accumulate."""
    import tensorflow as tf
    from tensorflow.python.framework import ops

    def flops(graph) -> int:
        total = 0
        for operation in graph.get_operations():
            if operation.type in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
                total += int(ops.get_stats_for_node_def(graph, operation.node_def, "flops").value)
            elif operation.type.endswith("PartitionedCall"):  # Keras compiles grouped convolutions as functions
                total += flops(graph._functions[operation.get_attr("f").name].graph)
        return total

    inputs = [tf.TensorSpec((1, *t.shape[1:]), t.dtype) for t in model.inputs]
    found = flops(tf.function(lambda x: model(x, training=False)).get_concrete_function(*inputs).graph)
    assert found % 2 == 0
    return found // 2


@pytest.mark.parametrize("name", models.names())
def test_every_model_of_the_course(name):
    model = models.build(name)
    cost = count(model)
    assert cost.params == model.count_params()
    if name != "gru64":  # its products stand in a loop, which a graph shows once
        assert cost.macs == tensorflow_macs(model)


@settings(max_examples=examples(6, 2), deadline=None)
@given(PLANS)
@example("c5k4s2 p d7k5s1 p m3k3s2")
def test_any_network_of_the_family(plan):
    """Blocks in an order, with strides and sizes, that nobody tried by hand."""
    model = light(plan)
    cost = count(model)
    assert cost.params == model.count_params()
    assert cost.macs == tensorflow_macs(model)
    assert cost.deployed <= cost.params


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "LSTM"])
def test_recurrent_layers(kind):
    """TensorFlow sees every step of an unrolled network; the rolled one costs as much."""
    from keras import layers

    for bias in (True, False):
        rolled, unrolled = (
            sequential(getattr(layers, kind)(6, unroll=u, use_bias=bias), layers.Dense(3), shape=(4, 5))
            for u in (False, True)
        )
        assert count(rolled).macs == count(unrolled).macs == tensorflow_macs(unrolled)
        assert count(rolled).params == count(rolled).deployed == rolled.count_params()


def test_the_sequence_models():
    gru = sequences.warning_gru(7)
    for model, shape in ((gru, (30, 7)), (sequences.life_lstm(20, 7), None), (sequences.step_model(gru), None)):
        assert count(model, shape).params == model.count_params()
    assert count(gru, (60, 7)).macs == 2 * count(gru, (30, 7)).macs
    assert count(sequences.step_model(gru)).macs == tensorflow_macs(sequences.step_model(gru))
    assert 30 * count(sequences.step_model(gru)).macs == count(gru, (30, 7)).macs


def test_other_kinds_of_layers():
    """Groups, dilation, both paddings, separable, 1-D, time-distributed, bidirectional: shapes enter each otherwise."""
    from keras import layers

    flat = sequential(
        layers.Conv2D(6, 3, dilation_rate=2, padding="same"),
        layers.Conv2D(12, (3, 2), groups=3, strides=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        layers.SeparableConv2D(5, 3, depth_multiplier=3),
        layers.Dense(7),
        layers.Flatten(),
        layers.Dense(4, use_bias=False),
    )
    assert count(flat).params == flat.count_params()
    # Dense on an image is a product of its own in TensorFlow (Tensordot becomes MatMul).
    assert count(flat).macs == tensorflow_macs(flat)
    line = sequential(
        layers.Conv1D(8, 3, strides=2, padding="same"),
        layers.TimeDistributed(layers.Dense(5)),
        layers.Bidirectional(layers.GRU(6)),
        shape=(10, 4),
    )
    assert count(line).params == line.count_params()
    assert count(line).macs == 5 * (3 * 4 * 8) + 5 * (8 * 5) + 2 * 5 * (5 * 18 + 6 * 18)


def test_padding_counts_and_biases_dont():
    """The convention of maths.conv: each weight is used once at each place."""
    from keras import layers

    for padding in ("same", "valid"):
        cost = count(sequential(layers.Conv2D(16, 5, strides=2, padding=padding)))
        assert cost.macs == conv2d_macs((28, 28), (5, 5, 1, 16), 2, padding)


# Parameters in Keras; MACs of convolutions and dense layers, squeeze-and-excitation's 1x1 included, at 224x224.
@pytest.mark.parametrize(
    "name, params, macs, published",
    [
        ("MobileNet", 4_253_864, 568_740_352, 569e6),  # Howard et al. 2017, table 4
        ("MobileNetV2", 3_538_984, 300_774_272, 300e6),  # Sandler et al. 2018, table 4
        ("EfficientNetB0", 5_330_571, 385_814_752, 390e6),  # Tan and Le 2019, table 2
    ],
)
def test_published_networks(name, params, macs, published):
    """2 %: the papers round to two or three digits."""
    import keras

    with shapes_only():
        model = getattr(keras.applications, name)(weights=None)
    cost = count(model)
    assert (cost.params, cost.macs) == (params, macs)
    assert cost.params == model.count_params()
    assert abs(cost.macs / published - 1) < 0.02


def test_shufflenet_v1():
    """The paper says 137 million for three groups; ours is within half a million: it is rounded to a million."""
    with shapes_only():
        model = shufflenet_v1(3)
    cost = count(model)
    assert abs(cost.macs / 1e6 - MILLION_MACS[3]) < 0.5


def shufflenet_v2():
    """ShuffleNet V2 1x: Ma et al. 2018, figure 3 and table 5."""
    from keras import Input, Model, layers

    image = Input((224, 224, 3))
    x = layers.MaxPooling2D(3, 2, "same")(conv_bn(image, 24, stride=2))
    for filters, repeats in ((116, 4), (232, 8), (464, 4)):
        for i in range(repeats):
            half = filters // 2
            left, right = (x, x) if i == 0 else (x[..., :half], x[..., half:])
            if i == 0:
                left = conv_bn(depthwise_bn(left, stride=2, relu=False), half, 1)
            right = depthwise_bn(conv_bn(right, half, 1), stride=2 if i == 0 else 1, relu=False)
            x = layers.Concatenate()([left, conv_bn(right, half, 1)])
            height, width, channels = x.shape[1:]
            x = layers.Permute((1, 3, 2))(layers.Reshape((height * width, 2, channels // 2))(x))
            x = layers.Reshape((height, width, channels))(x)
    x = layers.GlobalAveragePooling2D()(conv_bn(x, 1024, 1))
    return Model(image, layers.Dense(1000)(x))


def test_shufflenet_v2():
    """The paper says 146 million and 2.3 million parameters; torchvision's network has 2,278,604 and 0.145 G products.

    Equal parameters say that it is the same network, so the paper must count a million more that are no products of
    convolutions or dense layers: 1 %.
    """
    with shapes_only():
        model = shufflenet_v2()
    cost = count(model)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == 2_278_604
    assert abs(cost.macs / 1e6 - 145) < 0.5
    assert abs(cost.macs / 146e6 - 1) < 0.01


def test_a_shared_layer_is_held_once_and_computed_twice():
    from keras import Input, Model, layers

    a, b = Input((8, 8, 2), name="a"), Input((8, 8, 2), name="b")
    twice, norm = layers.Conv2D(3, 3), layers.BatchNormalization()
    model = Model([a, b], layers.Multiply()([norm(twice(a)), norm(twice(b))]))
    cost = count(model)
    assert cost.params == model.count_params() == 9 * 2 * 3 + 3 + 4 * 3
    assert cost.macs == 2 * (6 * 6 * 9 * 2 * 3)
    assert cost.deployed == 9 * 2 * 3 + 3 + 2 * 3, "a BatchNorm that is called twice stays: a scale and a shift"


def test_models_in_models():
    """Also one whose size is open, one that is called twice, and one inside one of these."""
    from keras import Input, Model, Sequential, layers

    inner = Sequential([layers.Conv2D(4, 3, padding="same"), layers.ReLU()])
    open_image = Input((None, None, 4))
    middle = Model(open_image, inner(open_image))
    image = Input((28, 28, 4))
    model = Model(image, layers.Add()([middle(image), middle(layers.MaxPooling2D(1)(image))]))
    cost = count(model)
    assert cost.params == model.count_params() == 9 * 16 + 4
    assert cost.macs == 2 * 28 * 28 * 9 * 16
    assert [row.kind for row in cost.rows].count("Conv2D") == 2
    assert count(middle, (14, 14, 4)).macs == 14 * 14 * 9 * 16


def test_batchnorm_folds_only_where_it_can():
    """After ReLU, or where another layer reads the convolution's output too, a scale and a shift remain."""
    from keras import Input, Model, layers

    image = Input((8, 8, 2))
    conv = layers.Conv2D(4, 3, padding="same", use_bias=False)
    alone = Model(image, layers.BatchNormalization()(conv(image)))
    assert count(alone).deployed == 9 * 2 * 4 + 4
    x = conv(image)
    both = Model(image, layers.Add()([x, layers.BatchNormalization()(x)]))
    assert count(both).deployed == 9 * 2 * 4 + 4 + 2 * 4
    for last in (layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D()):
        model = sequential(last, layers.BatchNormalization(), shape=(8, 8, 4))
        assert count(model).deployed == count(sequential(last, shape=(8, 8, 4))).deployed + 2 * 4
    dense = sequential(layers.Dense(4, use_bias=False), layers.BatchNormalization(), shape=(3,))
    assert count(dense).deployed == 3 * 4 + 4


def test_a_tensor_lives_until_its_last_reader():
    """By hand: beside the widened 12x12x4 stand the input of the addition and, at the end, the sum."""
    from keras import Input, Model, layers

    x = Input((12, 12, 2))
    y = conv_bn(x, 4, 1)
    y = conv_bn(y, 2, 1, relu=False)
    model = Model(x, layers.Add()([x, y]))
    small, wide = 12 * 12 * 2 * 4, 12 * 12 * 4 * 4
    live = [row.live_bytes for row in count(model).rows]
    assert live == [small + wide, small + wide, small + wide, small + wide + small, 2 * small, 3 * small]
    assert count(model).activation_bytes == 2 * small + wide
    assert count(model).activation_bytes_at("int8") == (2 * small + wide) // 4
    moved = [row.moved_bytes for row in count(model).rows]
    assert moved == [small + wide, 0, 0, wide + small, 0, 3 * small]


def test_squeeze_and_excitation_keeps_what_it_will_weigh():
    from keras import Input, Model

    x = Input((10, 10, 8))
    cost = count(Model(x, squeeze_excite(x, 4)))
    assert cost.activation_bytes == 4 * (10 * 10 * 8 * 2 + 8), "input, output and one weight a channel"
    assert cost.params == (8 * 2 + 2) + (2 * 8 + 8)
    assert cost.macs == 2 * 8 * 2


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=12), st.data())
def test_live_bytes_against_counting_readers(chain, data):
    """The other way to do it: free a tensor when as many readers have come as it has."""
    sizes, steps = {-1: 7}, []
    for i, (back, size) in enumerate(chain):
        reads = {max(-1, i - 1 - back), i - 1} if data.draw(st.booleans()) else {i - 1}
        sizes[i] = size
        steps.append((reads, [i]))
    left = {t: sum(t in reads for reads, _ in steps) for t in sizes}
    alive, expected = {-1}, []
    for reads, (made,) in steps:
        alive |= {made}
        expected.append(sum(sizes[t] for t in alive))
        for t in reads:
            left[t] -= 1
        alive -= {t for t in alive if left[t] == 0 and t != len(chain) - 1}
    assert live_bytes(steps, sizes, [len(chain) - 1]) == expected


def test_an_output_made_early_lives_to_the_end():
    assert live_bytes([("x", "a"), ("x", "b"), ("b", "c")], {"x": 1, "a": 10, "b": 100, "c": 1000}, "ac") == [
        11,
        111,
        1110,
    ]


def test_bytes_by_precision():
    """int8 keeps its biases in int32, int4 packs two weights into a byte; a precision nobody knows is refused."""
    cost = Cost("two", (Row("a", "Dense", (3,), 18, 15, 15, 3, 72, 40, 60),), "float32")
    assert {p: cost.weight_bytes(p) for p in PRECISIONS} == {
        "float32": 72,
        "float16": 36,
        "int16x8": 15 + 8 * 3,
        "int8": 15 + 4 * 3,
        "int4": 8 + 4 * 3,
    }
    assert {p: cost.activation_bytes_at(p) for p in PRECISIONS} == {
        "float32": 40,
        "float16": 40,
        "int16x8": 20,
        "int8": 10,
        "int4": 10,
    }
    assert cost.weight_bytes() == 72
    with pytest.raises(ValueError, match="unknown precision 'int2'; expected one of: float32, float16"):
        bits("int2")
    with pytest.raises(ValueError, match=r"types of their own, so bytes in 'int8' are unknown; count the Keras model"):
        Cost("f.tflite", cost.rows).activation_bytes_at("int8")


def test_the_table_names_every_layer_and_sums_up():
    cost = count(models.build("small_cnn"))
    lines = cost.table.splitlines()
    assert lines[0].split() == ["layer", "output", "params", "MACs", "live", "bytes"]
    assert lines[1].split()[1:] == ["26×26×16", "160", "97,344", "46,400"]
    assert lines[-1].split() == ["small_cnn:", "all", "56,714", "706,752", "54,080"]
    assert len(lines) == len(cost.rows) + 2
    assert len({len(line) for line in lines}) == 1


def test_what_cannot_be_counted_is_refused_by_name():
    """A silent 0 would make the cheapest network of one that is only unknown."""
    import keras
    from keras import Input, Model, layers

    def attend(x):
        return layers.MultiHeadAttention(2, 3, name="heads")(x, x)

    def product(x):
        return keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1)))

    embedding = layers.Embedding(9, 4, name="words")
    hidden = layers.TimeDistributed(sequential(layers.Dense(2), shape=(4,)), name="each")
    anything = layers.Lambda(lambda x: x + 1, output_shape=lambda shape: shape, name="anything")
    for make, shape, says in (
        (attend, (6, 4), "layer 'heads' is a MultiHeadAttention"),
        (product, (6, 4), "is a Matmul"),
        (embedding, (6,), "layer 'words' is a Embedding"),
        (hidden, (6, 4), "is a Sequential"),
        (anything, (6, 4), "layer 'anything' is a Lambda"),
    ):
        x = Input(shape)
        with pytest.raises(ValueError, match=says):
            count(Model(x, make(x)))


def test_only_what_is_known_to_multiply_nothing_counts_nothing():
    """Layers and operations that multiply, and were on no list, counted 0; so did functions of one's own."""
    import keras
    from keras import Input, Model, layers, ops

    class Own(layers.Layer):
        def call(self, x):
            return ops.matmul(x, ops.transpose(x, (0, 2, 1)))

    x, image, signal = Input((6, 2, 4)), Input((8, 8, 4)), Input((4000,))
    depthwise, pointwise = np.ones((3, 3, 4, 1), np.float32), np.ones((1, 1, 4, 6), np.float32)
    steps = layers.Reshape((6, 8))(x)
    for y, says in (
        (ops.dot_product_attention(x, x, x), "DotProductAttention"),
        (ops.separable_conv(image, depthwise, pointwise), "SeparableConv"),
        (ops.conv_transpose(image, np.ones((3, 3, 5, 4), np.float32), 2), "ConvTranspose"),
        (ops.inner(x, np.ones((3, 4), np.float32)), "Inner"),
        (ops.dot(x, np.ones((4, 3), np.float32)), "Dot"),
        (ops.outer(x, x), "Outer"),
        (ops.einsum("bij,bkj->bik", steps, steps), "Einsum"),
        (ops.rfft(signal)[0], "RFFT"),
        (ops.norm(x), "Norm"),
        (layers.MelSpectrogram()(signal), "MelSpectrogram"),
        (layers.STFTSpectrogram()(Input((4000, 1))), "STFTSpectrogram"),
        (layers.Dot(axes=2)([steps, steps]), "Dot"),
        (layers.Conv2DTranspose(3, 2)(image), "Conv2DTranspose"),
        (layers.EinsumDense("bij,jk->bik", (6, 3))(steps), "EinsumDense"),
        (Own()(steps), "Own"),
        (layers.Activation(lambda z: ops.matmul(z, z))(Input((4, 4))), "Activation with the activation"),
    ):
        read = {id(t): t for t in y._keras_history.operation._inbound_nodes[0].input_tensors}
        with pytest.raises(ValueError, match=f"is a {says}.* can't be counted"):
            count(Model(list(read.values()), y))
    for free in (
        [layers.RandomFlip(), layers.Rescaling(2.0), layers.Resizing(4, 4), layers.UpSampling2D(2), layers.Softmax()],
        [layers.GlobalMaxPooling2D(), layers.RepeatVector(3), layers.Permute((2, 1)), layers.UnitNormalization()],
        [layers.Activation(keras.activations.gelu), layers.Cropping2D(1), layers.ZeroPadding2D(1), layers.Flatten()],
    ):
        assert count(sequential(*free, shape=(8, 8, 4))).macs == 0
    total = ops.mean(ops.maximum(image * 2 - 1, 0) / 3, axis=(1, 2)) ** 2
    assert count(Model(image, ops.concatenate([total, ops.sqrt(ops.abs(total))], axis=1))).macs == 0


def test_models_without_shapes_are_refused_with_advice():
    import keras
    from keras import layers

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="model 'bare' is not built: begin it with keras.Input"):
        count(keras.Sequential([layers.Dense(3)], name="bare"))
    with pytest.raises(ValueError, match=r"model 'mine' computes in a call\(\) of its own"):
        count(Own(name="mine"))
    open_size = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3)], name="open")
    with pytest.raises(ValueError, match=r"'open' takes \(None, None, None, 3\).*give Input a size"):
        count(open_size)
    with pytest.raises(ValueError, match=r"the size to count is \(8, 8, 1\)"):
        count(open_size, (8, 8, 1))
    assert count(open_size, (8, 8, 3)).macs == 6 * 6 * 9 * 3 * 4
    a, b = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ValueError, match="2 inputs; input_shape is for one"):
        count(keras.Model([a, b], layers.Add()([a, b])), (3,))


def test_counting_leaves_the_model_alone():
    """Running it symbolically could add calls to its layers; the next export would then differ."""
    model = models.build("small_cnn")
    before = [len(layer._inbound_nodes) for layer in model.layers]
    assert count(model) == count(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == before


def test_the_type_needs_no_keras():
    """A file of a wing that never imports TensorFlow counts with it."""
    code = "import sys, edgelab.train.costs.counting; print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
