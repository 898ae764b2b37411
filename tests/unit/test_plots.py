"""Figures: they draw what they are given, they are small, and none leaves without alt text."""

import io

import numpy as np
import pytest
from PIL import Image

from edgelab.course.plots import bars, confusion, curves, digits, new_figure, png, show
from edgelab.data import load_mnist


def test_digits_draw_each_image_dark_on_bright():
    images = np.zeros((3, 28, 28), np.uint8)
    images[1] = 255
    figure = digits(images, titles=["a", "b", "c"])
    assert [ax.get_title() for ax in figure.axes] == ["a", "b", "c"]
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))
    assert pixels[:, : pixels.shape[1] // 3].mean() > 240 > 150 > pixels[:, pixels.shape[1] // 3 : -90].mean()


def test_digits_refuse_another_number_of_titles():
    with pytest.raises(ValueError, match="3 images and 2 titles"):
        digits(np.zeros((3, 28, 28), np.uint8), titles=["a", "b"])


def test_curves_draw_training_beside_validation():
    history = {"loss": [2, 1], "val_loss": [3, 2], "accuracy": [0.1, 0.2], "val_accuracy": [0.3, 0.4]}
    lines = [line.get_ydata().tolist() for ax in curves(history).axes for line in ax.lines]
    assert lines == [[2, 1], [3, 2], [0.1, 0.2], [0.3, 0.4]]


def test_confusion_writes_every_count():
    matrix = np.array([[5, 1], [0, 7]])
    texts = {t.get_text() for t in confusion(matrix).axes[0].texts}
    assert texts == {"5", "1", "7"}


def test_bars_write_their_values():
    figure = bars({"size": {"a": 229.4, "b": 62.0}}, {"size": "kB"})
    assert {t.get_text() for t in figure.axes[0].texts} == {"229.4", "62"}


def test_pictures_are_small():
    figure = digits(load_mnist().x_test[:40])
    assert len(png(figure)) < 60_000


def test_show_stores_the_alt_text_beside_the_picture():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            show(new_figure()[0], "An empty figure.")
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert output.metadata == {"image/png": {"alt": "An empty figure."}}
    assert output.data["text/plain"] == "An empty figure."
    with pytest.raises(ValueError, match="alt is empty"):
        show(new_figure()[0], " ")
