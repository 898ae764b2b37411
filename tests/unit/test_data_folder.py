"""One's own folders of images: every kind of file that a camera, a scanner or a drawing program leaves."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgelab import data

RED, BLUE = (255, 0, 0), (0, 0, 255)


def fill(folder: Path, counts: dict[str, int], mode: str = "L") -> Path:
    """Make class folders of plain images; the grey level of an image tells its class and number."""
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in reversed(range(count)):  # made in another order than that of their names
            Image.new("L", (30, 20), 40 * label + i).convert(mode).save(folder / name / f"{i:03}.png")
    return folder


def one(folder: Path, name: str, **options: object) -> np.ndarray:
    """Load one image of the class "one"; a second class makes the folder complete."""
    own = data.load_folder(folder, **options)
    files = sorted(path.name for path in (folder / "one").iterdir())
    images = np.concatenate([own.x_train[own.y_train == 0], own.x_test[own.y_test == 0]])
    assert files == [name]
    assert len(images) == 1
    return images[0]


@pytest.fixture
def folder(tmp_path) -> Path:
    fill(tmp_path / "own", {"two": 2})
    (tmp_path / "own" / "one").mkdir()
    return tmp_path / "own"


def test_load_folder_grey_matches_mnist_in_shape_and_type(tmp_path):
    own = data.load_folder(fill(tmp_path / "own", {"dog": 10, "cat": 5}))
    assert own.classes == ("cat", "dog")
    assert own.unreadable == ()
    assert [a.shape for a in own[:4]] == [(12, 28, 28), (12,), (3, 28, 28), (3,)]
    assert [a.dtype for a in own[:4]] == [np.uint8, np.int64, np.uint8, np.int64]
    assert np.bincount(own.y_test).tolist() == [1, 2]
    # dog was filled first, with levels below 40: labels follow the sorted names, not the order of making
    for x, y in ((own.x_train, own.y_train), (own.x_test, own.y_test)):
        assert np.array_equal(x[:, 0, 0] < 40, y == 1)
        for label in (0, 1):
            assert np.all(np.diff(x[y == label, 0, 0].astype(int)) > 0), "in the order of the file names"
    assert data.to_input(own.x_train).shape == (12, 28, 28, 1)


def test_load_folder_colour_keeps_channels_height_and_width(folder):
    """Pillow takes (width, height), arrays (height, width): a mix-up only shows when they differ."""
    Image.new("RGB", (60, 50), RED).save(folder / "one" / "red.png")
    image = one(folder, "red.png", size=(16, 24), channels=3)
    assert image.shape == (16, 24, 3)
    assert np.array_equal(image[8, 12], RED)
    assert one(folder, "red.png", size=(16, 24)).shape == (16, 24)


def test_load_folder_is_deterministic_and_depends_on_the_seed(tmp_path):
    path = fill(tmp_path / "own", {"a": 20, "b": 20})
    first, again, other = (data.load_folder(path, test_fraction=0.5, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first[:4], again[:4], strict=True))
    assert not np.array_equal(first.x_test, other.x_test)
    assert first.x_test.shape == (20, 28, 28)


def test_two_images_of_a_class_are_one_in_each_part_and_a_single_one_is_trained_on(tmp_path):
    own = data.load_folder(fill(tmp_path / "own", {"a": 2, "b": 1, "c": 30}))
    assert np.bincount(own.y_train).tolist() == [1, 1, 24]
    assert np.bincount(own.y_test).tolist() == [1, 0, 6]


def test_a_16_bit_scan_is_scaled_not_clipped(folder):
    """Pillow's convert("L") turns every 16-bit level above 255 into white."""
    levels = np.linspace(0, 65535, 28 * 28).reshape(28, 28).astype(np.uint16)
    Image.fromarray(levels).save(folder / "one" / "scan.png")
    grey, colour = one(folder, "scan.png"), one(folder, "scan.png", channels=3)
    assert np.abs(grey - levels / 257).max() < 1, "within one step of 8 bits"
    assert (grey.min(), grey.max()) == (0, 255)
    assert np.array_equal(colour[..., 2], grey)


def test_a_16_bit_image_that_pillow_opens_as_32_bit_is_scaled_too(folder):
    Image.fromarray(np.full((28, 28), 65535, np.int32)).save(folder / "one" / "scan.tif")
    assert np.all(one(folder, "scan.tif") == 255)


@pytest.mark.parametrize("pixels", [np.full((9, 9), 0.5, np.float32), np.full((9, 9), 70000, np.int32)])
def test_an_image_without_a_fixed_white_is_named_not_guessed(folder, pixels):
    Image.new("L", (9, 9)).save(folder / "one" / "good.png")
    Image.fromarray(pixels).save(folder / "one" / "map.tif")
    with pytest.warns(UserWarning, match=r"map\.tif: ValueError: pixels of more than 16 bits"):
        assert data.load_folder(folder).unreadable == (folder / "one" / "map.tif",)


def test_a_palette_image_with_alpha_lies_on_white(folder):
    """Transparent pixels have a colour too, mostly black: dropping alpha shows it."""
    image = Image.new("P", (28, 28), 0)
    image.putpalette([0, 0, 0, *RED, *BLUE])
    image.paste(1, (14, 0, 28, 28))
    image.save(folder / "one" / "icon.png", transparency=0)
    with Image.open(folder / "one" / "icon.png") as saved:
        assert saved.mode == "P"
    colours = one(folder, "icon.png", channels=3)
    assert np.array_equal(colours[5, 5], (255, 255, 255))
    assert np.array_equal(colours[5, 20], RED)
    assert one(folder, "icon.png")[5, 5] == 255


def test_half_transparent_ink_is_half_grey(folder):
    Image.new("LA", (28, 28), (0, 128)).save(folder / "one" / "ink.png")
    assert np.all(one(folder, "ink.png") == 127)


@pytest.mark.parametrize("mode", ["1", "CMYK", "YCbCr"])
def test_other_modes_are_converted(folder, mode):
    name = "scan.png" if mode == "1" else "scan.jpg"
    Image.new("RGB", (28, 28), "white").convert(mode).save(folder / "one" / name)
    assert one(folder, name).min() >= 254


def test_a_photo_is_turned_as_its_exif_says(folder):
    """Phones store portrait photos lying on their side."""
    photo = Image.new("L", (40, 20), 0)
    photo.paste(255, (0, 0, 20, 20))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to view, left becomes top
    photo.save(folder / "one" / "photo.jpg", exif=exif, quality=95)
    image = one(folder, "photo.jpg")
    assert image[:10].min() > 240
    assert image[-10:].max() < 15


def broken_files() -> dict[str, bytes]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    files = {"empty.png": b"", "text.jpg": b"not an image at all", "notes.txt": b"- buy milk\n"}
    for suffix in ("png", "jpeg", "bmp", "gif", "tiff", "webp"):
        buffer = io.BytesIO()
        noise.save(buffer, suffix)
        files[f"half.{suffix}"] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
        files[f"head.{suffix}"] = buffer.getvalue()[:20]
    return files


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_is_named_and_the_rest_is_loaded(tmp_path, name):
    path = fill(tmp_path / "own", {"a": 3, "b": 3})
    (path / "a" / name).write_bytes(broken_files()[name])
    with pytest.warns(UserWarning, match="files left out") as caught:
        own = data.load_folder(path)
    assert len(caught) == 1, "Pillow's own warnings name no file"
    assert str(path / "a" / name) in str(caught[0].message)
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert own.unreadable == (path / "a" / name,)
    assert len(own.y_train) + len(own.y_test) == 6


def test_many_broken_files_make_one_warning(tmp_path):
    path = fill(tmp_path / "own", {"a": 1, "b": 1})
    for name, content in broken_files().items():
        (path / "b" / name).write_bytes(content)
    with pytest.warns(UserWarning, match="files left out") as caught:
        own = data.load_folder(path)
    assert len(caught) == 1
    assert {file.name for file in own.unreadable} == set(broken_files())
    assert all(str(file) in str(caught[0].message) for file in own.unreadable)


def bomb(side: int) -> bytes:
    """Return a PNG that claims side × side pixels, 1 bit each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((side // 8 + 1) * 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_not_unpacked(tmp_path, side):
    """Pillow only warns up to twice its limit (10,000 squared), and raises above it (20,000 squared)."""
    path = fill(tmp_path / "own", {"a": 2, "b": 2})
    (path / "a" / "bomb.png").write_bytes(bomb(side))
    with pytest.warns(UserWarning, match=r"bomb\.png: DecompressionBomb"):
        assert data.load_folder(path).unreadable == (path / "a" / "bomb.png",)


def test_what_systems_leave_behind_is_ignored_and_subfolders_are_read(tmp_path):
    path = fill(tmp_path / "own", {"a": 2, "b": 2})
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._000.png"):
        (path / "a" / name).write_bytes(b"\0\1")
    (path / ".cache").mkdir()
    (path / "labels.csv").write_text("beside the classes")
    for name in (".thumbnails", "more"):
        (path / "a" / name).mkdir()
        Image.new("L", (9, 9)).save(path / "a" / name / "x.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = data.load_folder(path)
    assert own.classes == ("a", "b")
    assert len(own.y_train) + len(own.y_test) == 5


def test_a_class_without_a_readable_image_is_an_error_that_names_its_files(tmp_path):
    path = fill(tmp_path / "own", {"a": 2, "b": 0})
    with pytest.raises(ValueError, match=r"own.b: no readable image"):
        data.load_folder(path)
    (path / "b" / "x.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"own.b: no readable image(.|\n)*x\.png: UnidentifiedImageError"):
        data.load_folder(path)


def test_a_folder_without_class_folders_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        data.load_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no class folders \(found nothing\)"):
        data.load_folder(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "loose.png")
    with pytest.raises(ValueError, match=r"no class folders \(found loose\.png\)"):
        data.load_folder(tmp_path)


@pytest.mark.parametrize(
    "options",
    [{"channels": 4}, {"size": 28}, {"size": (0, 28)}, {"size": (28, 28, 3)}, {"test_fraction": 1.0}],
)
def test_wrong_arguments_are_errors_not_unreadable_files(tmp_path, options):
    """They are checked first: inside the loop each image would be blamed."""
    with pytest.raises(ValueError, match="expected channels 1 or 3, size"):
        data.load_folder(fill(tmp_path / "own", {"a": 2, "b": 2}), **options)
