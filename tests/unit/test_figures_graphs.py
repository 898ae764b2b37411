"""Layers beside operators: read from the names that the converter writes, on shipped files."""

from edgelab.artifacts import shipped
from edgelab.course.figures.graphs import partners, side_by_side
from edgelab.infer.tflite import read

CNN = [
    "conv2d",
    "max_pooling2d",
    "conv2d_1",
    "max_pooling2d_1",
    "flatten_1",
    "dropout",
    "dense_1",
    "dropout_1",
    "logits",
]


def test_names_with_numbers_find_their_layer_and_dropout_leaves_nothing():
    """conv2d_1 in the file is conv2d, and conv2d_1_2 is conv2d_1: a mere search would mix them up."""
    assert partners(CNN, read(shipped("small_cnn_float32"))) == [[0], [1], [2], [3], [4], [6], [8]]


def test_batch_norm_and_relu_are_in_the_convolution_before_them():
    block = ["depthwise_conv2d", "conv2d_1", "batch_normalization_1", "re_lu_1"]
    layers = ["conv2d", "batch_normalization", "re_lu", *block]
    found = partners(layers, read(shipped("tiny_float32")))
    assert found[:3] == [[0, 1, 2], [3], [4, 5, 6]]


def test_the_figure_has_each_layer_and_each_operator():
    graph = read(shipped("small_cnn_float32"))
    texts = [text.get_text() for text in side_by_side([(name, name.upper()) for name in CNN], graph).axes[0].texts]
    assert [name.upper() for name in CNN] == texts[: len(CNN)]
    assert [text for text in texts if text in {o.kind for o in graph.operators}] == [o.kind for o in graph.operators]


def test_an_empty_file_is_drawn():
    from edgelab.infer.tflite import Graph

    assert side_by_side([], Graph((), (), (), ())).axes
