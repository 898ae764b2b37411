"""What is handed to to_mnist: wrong arrays, blank pages, every kind of image file, damaged files, bombs."""

import contextlib
import io
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFile

from edgelab.infer.image import ORIENTATION, read_image
from edgelab.infer.preprocess import to_mnist


@pytest.mark.parametrize(
    ("image", "error", "named"),
    [
        (np.zeros((28, 28)), TypeError, r"float64.*uint8.*np\.round"),
        (np.full((28, 28), np.nan), TypeError, "without NaN"),
        (np.zeros((28, 28), bool), TypeError, "bool"),
        (np.zeros((1, 28, 28, 1), np.uint8), ValueError, r"\(1, 28, 28, 1\)"),
        (np.zeros((28, 28, 2), np.uint8), ValueError, r"\(28, 28, 2\)"),
        (np.zeros(784, np.uint8), ValueError, r"\(784,\)"),
        (np.zeros((0, 0), np.uint8), ValueError, "0x0 pixels is too small"),
        (np.zeros((7, 28), np.uint8), ValueError, "28x7 pixels is too small"),
        (np.zeros((8, 281), np.uint8), ValueError, "281x8 pixels is too small or too narrow"),
        (np.broadcast_to(np.uint8(0), (8000, 8000)), ValueError, "8000x8000 pixels; expected at most 50,000,000"),
        (np.full((28, 28), 7, np.uint8), ValueError, "nothing drawn: the strongest mark stands 0 grey levels"),
        (np.pad(np.full((3, 3), 255, np.uint8), 20), ValueError, "too small: the ink covers 3x3 pixels of 43x43"),
        ([[0] * 28] * 28, TypeError, "found list; expected a PIL image, a path or a uint8 array"),
        (None, TypeError, "NoneType"),
        (Image.new("F", (28, 28)), ValueError, "mode F; expected 8 bits"),
        (Image.new("I;16", (28, 28)), ValueError, "mode I;16"),
    ],
)
def test_what_is_no_drawing_is_refused_by_name(image, error, named):
    with pytest.raises(error, match=named):
        to_mnist(image)


def test_paper_alone_is_not_read_as_a_digit():
    """Otsu's threshold always finds two classes: of noise alone it made a digit."""
    for sigma in (0, 3, 20, 200):
        page = np.random.default_rng(0).normal(150, sigma, (300, 300)).clip(0, 255).astype(np.uint8)
        with pytest.raises(ValueError, match="nothing drawn"):
            to_mnist(page)


@pytest.fixture
def seven() -> Image.Image:
    image = Image.new("L", (90, 120), 255)
    ImageDraw.Draw(image).line([(20, 25), (70, 25), (35, 95)], width=9)
    return image


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_every_mode_of_an_image_gives_the_same(seven, mode):
    np.testing.assert_array_equal(to_mnist(seven.convert(mode)), to_mnist(np.asarray(seven)))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif", "a.tiff", "a.webp"])
def test_files_give_the_same_as_the_array_by_path_or_string(seven, tmp_path, name):
    seven.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    np.testing.assert_array_equal(to_mnist(tmp_path / name), to_mnist(np.asarray(seven)))
    np.testing.assert_array_equal(to_mnist(str(tmp_path / name)), to_mnist(np.asarray(seven)))


@pytest.mark.parametrize("name", ["turned.png", "turned.webp", "turned.jpg"])
def test_a_phone_held_sideways_does_not_turn_the_digit(seven, tmp_path, name):
    """Phones store the sensor's pixels and the orientation in EXIF: ignoring it turned portraits by 90 degrees."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned clockwise for viewing
    sideways = seven.rotate(90, expand=True)
    sideways.save(tmp_path / name, exif=exif, quality=100, **({"lossless": True} if name.endswith("webp") else {}))
    assert read_image(tmp_path / name).shape[:2] == (120, 90)
    difference = np.abs(to_mnist(tmp_path / name).astype(int) - to_mnist(seven))
    assert difference.mean() <= (10 if name.endswith("jpg") else 0)  # JPEG rounds; a turn changes 40


def test_files_that_are_no_images_are_refused_by_name(seven, tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(FileNotFoundError, match=r"a\.png: no such image \(looked in "):
        to_mnist(path)
    with pytest.raises(ValueError, match="cannot be read"):
        to_mnist(tmp_path)
    path.write_text("not an image")
    with pytest.raises(ValueError, match=r"a\.png: not an image that Pillow can read"):
        to_mnist(path)
    seven.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"a\.png: the image cannot be read"):
        to_mnist(path)


def bomb(side: int) -> bytes:
    """A PNG of side x side black pixels of one bit; to save one, Pillow would need a byte for each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + side // 8) * side))  # each begins with a byte that names its filter
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_the_bomb_is_an_image(tmp_path):
    """What is refused for its size must not be one that would be refused anyway."""
    (tmp_path / "small.png").write_bytes(bomb(80))
    with Image.open(tmp_path / "small.png") as image:
        assert np.asarray(image).shape == (80, 80)
        assert not np.asarray(image).any()


@pytest.mark.parametrize("side", [20_000, 8_000])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, side):
    """400 million pixels in 48 kB; and 64 million, which Pillow itself lets pass."""
    (tmp_path / "bomb.png").write_bytes(bomb(side))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"bomb\.png: .*pixels.* make it smaller"):
        to_mnist(tmp_path / "bomb.png")


@settings(max_examples=examples(300, 100), deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP"]), st.data())
def test_a_damaged_file_is_a_value_error_or_still_an_image(tmp_path_factory, kind, data):
    """Pillow's decoders raise OSError, SyntaxError and ValueError by turns; none may reach the caller bare."""
    file = io.BytesIO()
    drawing = Image.new("L", (40, 40), 255)
    ImageDraw.Draw(drawing).line([(10, 10), (30, 30)], width=4)
    drawing.save(file, kind)
    damaged = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")  # Pillow warns of what it mends
        assert to_mnist(path).shape == (28, 28)


def test_arrays_need_no_pillow_and_the_input_is_left_alone():
    """A device that gets its pixels from a camera driver has numpy only."""
    code = (
        "import sys, numpy as np; from edgelab.infer.preprocess import to_mnist\n"
        "page = np.full((28, 28), 255, np.uint8); page[5:20, 12:15] = 0; page.flags.writeable = False\n"
        "to_mnist(page); print(sorted(m for m in ('PIL', 'tensorflow', 'scipy') if m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
