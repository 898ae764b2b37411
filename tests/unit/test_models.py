"""The Keras zoo: sizes that can be counted by hand, and the conventions every model keeps."""

import io
import runpy
from pathlib import Path

import numpy as np
import pytest

from edgelab.artifacts import find, read_index, shipped
from edgelab.train.models import build, names, to_keras_bytes

# Counted by hand, layer by layer: inputs * outputs + biases; a 3x3 kernel has 9 * channels_in weights a channel.
COUNTS = {
    "dense128": (784 * 128 + 128) + (128 * 10 + 10),
    "small_cnn": (9 * 1 * 16 + 16) + (9 * 16 * 32 + 32) + (5 * 5 * 32 * 64 + 64) + (64 * 10 + 10),
}


def test_every_model_has_a_count_here():
    assert set(COUNTS) == set(names())


@pytest.mark.parametrize("name", names())
def test_parameters_input_and_logits(name):
    model = build(name)
    assert model.count_params() == COUNTS[name]
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    logits = model(np.random.default_rng(0).random((4, 28, 28, 1), np.float32)).numpy()
    assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), "the output is probabilities; logits are agreed"


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown model 'lenet'; the course has: dense128, small_cnn"):
        build("lenet")


def test_saved_bytes_hold_the_weights_and_no_optimizer(tmp_path):
    import keras

    model = build("dense128")
    model.compile(optimizer="adam", loss="mse")
    model.fit(np.zeros((4, 28, 28, 1)), np.zeros((4, 10)), verbose=0)
    data = to_keras_bytes(model)
    assert len(data) < 4 * model.count_params() + 30_000
    (tmp_path / "m.keras").write_bytes(data)
    again = keras.models.load_model(tmp_path / "m.keras")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_weights_without_keras_are_those_of_the_keras_file():
    """NumPy's network must be the one whose accuracy is recorded, and an export on another day the same bytes."""
    import keras

    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "make_models.py"))
    model = keras.models.load_model(shipped("small_cnn"))
    data = script["to_npz"](model)
    assert find("small_cnn_npz").name == "small_cnn.npz"
    assert data == shipped("small_cnn_npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        names = [f"{layer}_{letter}" for layer in ("conv1", "conv2", "dense1", "dense2") for letter in "wb"]
        assert arrays.files == names
        for name, weights in zip(names, model.get_weights(), strict=True):
            assert arrays[name].dtype == np.float32
            np.testing.assert_array_equal(arrays[name], weights)
    entries = {entry["name"]: entry for entry in read_index(shipped("small_cnn_npz").parent)}
    of_both = ("test_accuracy", "seed", "epochs", "command")
    assert {key: entries["small_cnn_npz"][key] for key in of_both} == {
        key: entries["small_cnn"][key] for key in of_both
    }
