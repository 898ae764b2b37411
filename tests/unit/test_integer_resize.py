"""The integer engine's resizing and its largest and smallest values over axes, and what of them it refuses."""

import numpy as np
import pytest
from _tflite import RUNTIMES, File

from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.resize import (
    bilinear_float32,
    bilinear_places,
    bilinear_shift,
    nearest_rows,
    nearest_rows_fixed,
)
from edgelab.infer.parity import runtime_outputs


def resized(size, wanted, corners=False, centers=False, said=None, scale=0.1, how="NEAREST_NEIGHBOR") -> bytes:
    """Return a file that resizes one row of pixels."""
    file = File()
    x, y = file.tensor((1, 1, size, 1), 0.1, 3), file.tensor((1, 1, wanted, 1), scale, 3)
    sizes = file.tensor((2,), dtype="int32", data=said or [1, wanted])
    file.operator(f"RESIZE_{how}", [x, sizes], [y], alignCorners=corners, halfPixelCenters=centers)
    return file.bytes([x], [y])


def reduced(kind, shape, axes, made, scale=0.1) -> bytes:
    file = File()
    x, y = file.tensor(shape, 0.1, 3), file.tensor(made, scale, 3)
    file.operator(kind, [x, file.tensor((len(axes),), dtype="int32", data=axes)], [y], keepDims=False)
    return file.bytes([x], [y])


PARTS = [
    (size, wanted)
    for size in range(1, 128)
    for wanted in range(1, 128)
    if (nearest_rows(size, wanted, False, False) != nearest_rows_fixed(size, wanted)).any()
]


@pytest.mark.parametrize(("size", "wanted"), PARTS[:: max(1, len(PARTS) // 12)])
def test_the_kernels_take_different_columns(size, wanted):
    """Where a column falls on the border of two, float32 and steps of 2^-16 may choose different ones."""
    x = np.arange(size).astype(np.int8).reshape(1, 1, size, 1)
    found = {runtime: runtime_outputs(resized(size, wanted), x, runtime)[0] for runtime in RUNTIMES}
    for runtime, y in found.items():
        np.testing.assert_array_equal(IntegerModel(resized(size, wanted), runtime).run(x), y, err_msg=runtime)
    assert (found["reference"] != found["xnnpack"]).any()


def test_places_between_the_rows():
    """Half-pixel centres shift the first row half a step outwards; corners fall on corners."""
    assert bilinear_places(3, 6, False, True).tolist() == [-256, 256, 768, 1280, 1792, 2304]
    assert bilinear_places(3, 5, True, False).tolist() == [0, 512, 1024, 1536, 2048]


@pytest.mark.parametrize(
    ("tflite", "message"),
    [
        (resized(3, 6, True, True), "alignCorners and halfPixelCenters"),
        (resized(3, 6, said=[1, 5]), "expected images, and the output's rows and columns"),
        (resized(3, 6, scale=0.2), "on another scale than its output"),
        (resized(2**15, 6), "in 16 bits"),
        (resized(3, 4000, how="BILINEAR"), "miss the image"),
        (reduced("REDUCE_MAX", (1, 4, 3), [3], (1, 4)), "from -3 to 2"),
        (reduced("REDUCE_MIN", (1, 4, 3), [2], (1, 4), scale=0.2), "on another scale than its output"),
    ],
)
def test_what_it_refuses(tflite, message):
    """A file that a runtime does not take, or in which a number would wrap around, must not give an answer here."""
    with pytest.raises(ValueError, match=message):
        IntegerModel(tflite)


@pytest.mark.parametrize("options", [(False, False), (True, False), (False, True)])
def test_values_between_two_pixels(options):
    """XNNPACK has shares in steps of 2^-11 and rounds halves up, the others 2^-10 and away from zero: they part."""
    x = np.random.default_rng(0).integers(-128, 128, (200, 1, 5, 1)).astype(np.int8)
    plain, xnnpack = bilinear_shift(x, (1, 10), *options), bilinear_float32(x, (1, 10), *options)
    tflite = resized(5, 10, *options, how="BILINEAR")
    for runtime in RUNTIMES:
        found = runtime_outputs(tflite, x, runtime)[0]
        np.testing.assert_array_equal(xnnpack if runtime == "xnnpack" else plain, found, err_msg=runtime)
    assert (plain != xnnpack).any()


@pytest.mark.parametrize("kind", ["REDUCE_MAX", "REDUCE_MIN"])
def test_a_reduction_over_axis_0_stays_within_an_image(kind):
    """Three images given at once: each has a largest value of its own."""
    x = np.random.default_rng(0).integers(-128, 128, (3, 4, 5)).astype(np.int8)
    tflite = reduced(kind, (1, 4, 5), [0, 1], (5,))
    for runtime in RUNTIMES:
        found = np.stack([runtime_outputs(tflite, image[None], runtime)[0].reshape(5) for image in x])
        np.testing.assert_array_equal(IntegerModel(tflite, runtime).run(x).reshape(3, 5), found, err_msg=runtime)
