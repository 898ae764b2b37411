"""The Keras zoo: sizes that can be counted by hand, and the conventions every model keeps."""

import numpy as np
import pytest

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
