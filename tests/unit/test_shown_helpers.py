"""Helpers that notebooks import beside the functions they show: checks and small steps, each against something else."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgelab.shrink.compress import (
    Layer,
    canonical_order,
    check_distillation,
    check_frequencies,
    log_softmax,
    pack,
    pack_layer,
)
from edgelab.shrink.convert import (
    OnnxGraph,
    add_convolution,
    add_flatten,
    describe_exit,
    weight_or_default,
    window_attributes,
)
from edgelab.shrink.quantize import broadcast_qparams, check_values, merged_divergence
from edgelab.train.networks import check_groups, check_stride, shuffle_branch_channels


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: check_stride(3), "stride is 3; expected 1 or 2"),
        (lambda: check_groups(4, channels_of_x=6), "expected a divisor of 6, the channels of x"),
        (lambda: check_groups(0, channels_of_x=6), "groups is 0"),
        (lambda: shuffle_branch_channels(24, 242, 1, 2), "expected a multiple of 4"),
        (lambda: shuffle_branch_channels(24, 240, 1, 1), "with stride 1 they must be equal"),
        (lambda: shuffle_branch_channels(24, 24, 1, 2), "filters must exceed them"),
        (lambda: check_values(np.array([])), "there is no value in it"),
        (lambda: check_values([[1.0, np.nan]]), r"first at \[0, 1\]"),
        (lambda: check_frequencies(np.array([2, -1])), r"frequencies\[1\] is -1"),
        (lambda: canonical_order(np.array([1, 1, 1])), "expected at most 1"),
        (lambda: check_distillation(np.zeros((2, 3)), np.zeros((2, 3)), np.array([0, 1]), 1.5), "alpha is 1.5"),
        (lambda: broadcast_qparams(np.zeros(3), 0.0, 0, -128, 127, None), "expected positive numbers"),
        (lambda: broadcast_qparams(np.zeros(3), 1.0, 128, -128, 127, None), "expected integers from -128 to 127"),
        (lambda: broadcast_qparams(np.zeros(3), 1.0, 0, -128, 127, 1), "axis is 1"),
    ],
)
def test_what_does_not_fit_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_shuffle_unit_makes_its_filters():
    """With stride 2 the shortcut brings the input's channels, so the branch brings the rest."""
    assert shuffle_branch_channels(60, 240, groups=3, stride=2) + 60 == 240
    assert shuffle_branch_channels(240, 240, groups=3, stride=1) == 240


def test_scales_lie_along_their_axis():
    """A scale a channel must meet that channel, whichever axis it is."""
    x = np.arange(24.0).reshape(2, 3, 4)
    for axis in (-3, -2, -1, 0, 1, 2):
        scale, zero_point = broadcast_qparams(x, np.arange(1.0, x.shape[axis] + 1), 0, -128, 127, axis)
        moved = np.moveaxis(x / scale + zero_point, axis, 0)
        assert np.allclose(moved, [part / (k + 1) for k, part in enumerate(np.moveaxis(x, axis, 0))])


def test_the_divergence_is_that_of_scipy():
    """On histograms without empty bins, where merging is a mean over equal shares."""
    from scipy.stats import entropy

    counts = np.random.default_rng(1).integers(1, 99, 64)
    p = counts.astype(float)
    p[-1] += 7
    merged = counts.reshape(16, 4).mean(axis=1).repeat(4)
    assert np.isclose(merged_divergence(counts, 7, 16), entropy(p, merged))
    assert merged_divergence(np.array([4, 0]), 3, levels=2) == np.inf, "outliers where the merged histogram has none"


def test_canonical_codes_begin_where_the_shorter_ones_end():
    """By hand: lengths 1, 2, 3, 3 give 0, 10, 110, 111."""
    order, codes, longest, end = canonical_order(np.array([3, 1, 3, 2]))
    assert (order.tolist(), codes.tolist(), longest, end) == ([1, 3, 0, 2], [0b000, 0b100, 0b110, 0b111], 3, 8)
    assert check_frequencies(np.array([3, 0], np.uint8)).dtype == np.int64


def test_a_packed_layer_is_what_the_file_holds():
    layer = Layer("d", "dense", np.float32([0, 1]), np.eye(3, dtype=np.uint8), np.float32([1, 2, 3]))
    assert pack_layer(layer) in pack([layer])


def test_log_softmax_is_scipys():
    from scipy.special import log_softmax as peer

    logits = np.random.default_rng(2).normal(0, 300, (5, 10))
    assert np.allclose(log_softmax(logits), peer(logits, axis=1), rtol=1e-12)


def test_the_end_of_a_process_is_described():
    """By a real one: the exit code of a child that a signal ended."""
    code = f"import os, sys; sys.stderr.write('last words'); sys.stderr.flush(); os.kill(os.getpid(), {signal.SIGKILL})"
    child = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
    said = describe_exit("f", child.returncode, child.stderr)
    assert said.splitlines() == [
        "the process that ran f died: signal 9, SIGKILL, usually because no memory was left",
        "It printed last:",
        "last words",
    ]
    assert describe_exit("f", 3, b"") == "the process that ran f died: exit code 3"


@pytest.mark.parametrize(("size", "stride"), [(28, 1), (28, 2), (27, 2), (5, 3)])
def test_a_window_pads_as_keras_does(size, stride):
    """In front and behind: as many outputs as Keras' "same", the odd zero behind."""
    layer = SimpleNamespace(strides=(stride, stride), padding="same")
    top, left, bottom, right = window_attributes(layer, (1, size, size, 1), (3, 3))["pads"]
    assert (top, bottom) == (left, right)
    assert bottom - top in (0, 1)
    assert (size + top + bottom - 3) // stride + 1 == -(-size // stride)


def test_nodes_are_added_in_onnx_layouts():
    """OIHW kernels; an image is flattened channels last, a vector as it is."""
    graph = OnnxGraph()
    layer = SimpleNamespace(
        name="c", kernel=np.zeros((3, 5, 2, 8)), bias=None, filters=8, groups=1, strides=(1, 1), kernel_size=(3, 5),
        dilation_rate=(1, 1), padding="valid",
    )  # fmt: skip
    add_convolution(graph, layer, (1, 28, 28, 2), "image")
    assert [list(constant.dims) for constant in graph.constants] == [[8, 2, 3, 5], [8]]
    add_flatten(graph, SimpleNamespace(name="f"), (1, 28, 28, 8), "/c")
    add_flatten(graph, SimpleNamespace(name="g"), (1, 9), "/f")
    assert [node.op_type for node in graph.nodes] == ["Conv", "Transpose", "Flatten", "Flatten"]
    assert weight_or_default(None, 3, 1.0).tolist() == [1.0, 1.0, 1.0]
