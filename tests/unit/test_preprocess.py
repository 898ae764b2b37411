"""From a drawing or photo to MNIST's form: against float arithmetic, Pillow, MNIST itself, and by properties."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from edgelab.artifacts import shipped
from edgelab.data import Mnist, load_mnist, to_input
from edgelab.infer.ink import MIN_INK, _box_sums, background, label, white_on_black
from edgelab.infer.preprocess import (
    area_average,
    centre,
    fit,
    grey,
    shrink,
    stretch,
    to_mnist,
)
from edgelab.infer.runner import Runner


@pytest.fixture(scope="module")
def mnist() -> Mnist:
    return load_mnist()


@pytest.fixture(scope="module")
def digits(mnist) -> np.ndarray:
    return mnist.x_test[:500]


def photo(digit: np.ndarray, rng: np.random.Generator, dark_ink: bool = True) -> np.ndarray:
    """Photograph a digit: ten times larger, somewhere on a page of 400x400, light from one side, noise."""
    ink = np.zeros((400, 400))
    top, left = rng.integers(0, 121, 2)
    ink[top : top + 280, left : left + 280] = np.asarray(Image.fromarray(digit).resize((280, 280), Image.BICUBIC))
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    angle = rng.uniform(0, 2 * np.pi)
    page = 190 + 40 * (np.cos(angle) * x + np.sin(angle) * y) - 120 * ink / 255
    page = page if dark_ink else 255 - page
    return np.clip(np.rint(page + rng.normal(0, 10, page.shape)), 0, 255).astype(np.uint8)


@pytest.mark.filterwarnings("ignore:the ink reaches")  # the tail of a 4 does
def test_mnist_images_come_back_as_they_are(digits):
    """The yardstick of all steps at once: box, averaging, centre. A shift by one pixel changes hundreds of levels."""
    difference = np.abs(np.array([to_mnist(digit) for digit in digits]).astype(int) - digits).max(axis=(1, 2))
    assert (difference <= 16).mean() >= 0.995  # 16: fringes fainter than 1/16 of the peak may be cut off
    assert (difference <= 1).mean() >= 0.9  # 1: some images peak at 254 and are stretched to 255


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_photos_of_mnist_digits_stay_close_and_recognisable(mnist, digits, count):
    """Noise, gradient, inversion, translation: a threshold that one outlier of the noise could pass gave 39 % here.

    Judged by the nearest of 10,000 training images, which knows nothing of edgelab's models, and by the shipped one.
    """
    digits, truth = digits[:count], mnist.y_test[:count]
    known = mnist.x_train[:10_000].reshape(-1, 784).astype(np.float32)

    def nearest(images: np.ndarray) -> np.ndarray:
        distance = (known**2).sum(axis=1) - 2 * images.reshape(-1, 784).astype(np.float32) @ known.T
        return mnist.y_train[distance.argmin(axis=1)]

    rng = np.random.default_rng(0)
    results = np.array([to_mnist(photo(d, rng, dark_ink=n % 2 == 0)) for n, d in enumerate(digits)])
    # Bicubic enlarging moves edges by up to half a pixel; a digit one pixel beside its place differs by 20 and more.
    assert np.abs(results.astype(int) - digits).mean() < 10
    assert (nearest(results) == truth).mean() >= (nearest(digits) == truth).mean() - 0.02
    logits = Runner(shipped("small_cnn_int8_float_io")).predict(to_input(results))
    assert (logits.argmax(axis=1) == truth).mean() >= 0.95


def test_shadow_and_vignette_do_not_become_ink(digits):
    """Light that no plane describes: without the local mean of the paper the mean difference is 12."""
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    differences = []
    for light in (60 / (1 + np.exp(-6 * (x + y))), 40 * (x**2 + y**2)):
        for digit in digits[:20]:
            page = 220 - 150 * np.pad(np.kron(digit, np.ones((10, 10))), 60) / 255 - light
            result = to_mnist(np.rint(page).clip(0, 255).astype(np.uint8))
            differences.append(np.abs(result.astype(int) - digit).mean())
    assert np.mean(differences) < 4


STROKES = st.lists(st.tuples(*[st.integers(0, 29)] * 4), min_size=1, max_size=4)


@st.composite
def drawings(draw) -> np.ndarray:
    """White strokes of random grey on black, 30x30, long enough to be a digit; the margin is the test's to add."""
    image = Image.new("L", (30, 30))
    for line in draw(STROKES):
        ImageDraw.Draw(image).line(line, fill=draw(st.integers(128, 255)), width=draw(st.integers(1, 4)))
    drawing = np.asarray(image)
    rows, columns = drawing.any(axis=1).nonzero()[0], drawing.any(axis=0).nonzero()[0]
    assume(max(np.ptp(rows), np.ptp(columns)) >= MIN_INK)
    return drawing


def place(drawing: np.ndarray, top: int, left: int, size: int = 60, paper: int = 0) -> np.ndarray:
    canvas = np.full((size, size), paper, np.uint8)
    canvas[top : top + drawing.shape[0], left : left + drawing.shape[1]] = np.maximum(drawing, paper)
    return canvas


@given(drawings())
def test_result_has_mnists_form(drawing):
    result = to_mnist(place(drawing, 15, 15))
    assert result.shape == (28, 28)
    assert result.dtype == np.uint8
    assert result.max() == 255
    assert all(np.ptp(result.any(axis=axis).nonzero()[0]) < 20 for axis in (0, 1))


@given(drawings(), st.integers(8, 22), st.integers(8, 22))
def test_place_on_the_page_does_not_matter(drawing, top, left):
    np.testing.assert_array_equal(to_mnist(place(drawing, top, left)), to_mnist(place(drawing, 15, 15)))


@given(drawings(), st.integers(60, 90))
def test_size_of_the_page_does_not_matter(drawing, size):
    np.testing.assert_array_equal(to_mnist(place(drawing, 15, 15, size)), to_mnist(place(drawing, 15, 15)))


@given(drawings(), st.integers(2, 4))
def test_whole_enlargement_changes_no_bit(drawing, k):
    """Exact area averaging: sums and areas both grow by k squared. A resize by sampling fails here."""
    page = place(drawing, 15, 15)
    np.testing.assert_array_equal(to_mnist(np.kron(page, np.ones((k, k), np.uint8))), to_mnist(page))


@given(drawings(), st.integers(0, 100), st.integers(0, 2**32 - 1))
def test_black_on_white_equals_white_on_black_even_in_noise(drawing, paper, seed):
    noise = np.random.default_rng(seed).integers(0, 7, (60, 60), dtype=np.uint8)
    page = place(np.minimum(drawing, 240), 15, 15, paper=paper) + noise
    np.testing.assert_array_equal(to_mnist(255 - page), to_mnist(page))


@given(drawings(), st.integers(0, 100))
def test_brightness_of_flat_paper_does_not_matter(drawing, paper):
    page = place(np.minimum(drawing, 155), 15, 15)
    np.testing.assert_array_equal(to_mnist(page + np.uint8(paper)), to_mnist(page))


@given(drawings(), st.integers(0, 59), st.integers(0, 59))
def test_a_speck_of_dust_does_not_set_the_scale(drawing, y, x):
    page = place(drawing, 15, 15)
    assume(page[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].max() == 0 and not (15 <= y < 45 and 15 <= x < 45))
    dusty = page.copy()
    dusty[y, x] = min(255, page.sum(dtype=int) // 200)  # 1/200 of all ink: less than 1/32 of the largest of 4 strokes
    np.testing.assert_array_equal(to_mnist(dusty), to_mnist(page))


def reference_average(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Average areas in float64 by interpolating the cumulative sum: another way to the same integral."""

    def along(values: np.ndarray, parts: int) -> np.ndarray:
        total = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
        at = np.linspace(0, len(values), parts + 1)
        ends = np.stack([np.interp(at, np.arange(len(total)), column) for column in total.T], axis=1)
        return np.diff(ends, axis=0) * parts / len(values)

    return along(along(image.astype(float), height).T, width).T


SIZES = st.integers(1, 40)


@given(st.tuples(SIZES, SIZES).flatmap(lambda shape: arrays(np.uint8, shape)), SIZES, SIZES)
def test_area_average_is_the_rounded_integral(image, height, width):
    """Half a level for the rounding and 1e-9 for float64: a wrong overlap of one pixel is a whole level somewhere."""
    result = area_average(image, height, width)
    assert np.abs(result - reference_average(image, height, width)).max() <= 0.5 + 1e-9
    assert image.min() <= result.min() <= result.max() <= image.max()


@given(st.tuples(st.integers(20, 80), st.integers(20, 80)).flatmap(lambda shape: arrays(np.uint8, shape)))
def test_area_average_agrees_with_pillows_box_filter(image):
    """Pillow rounds after each of two passes and counts a pixel by its middle: one level at whole factors."""
    whole = image[: image.shape[0] // 10 * 10, : image.shape[1] // 10 * 10]
    pillow = np.asarray(Image.fromarray(whole).resize((10, 10), Image.BOX)).astype(int)
    assert np.abs(area_average(whole, 10, 10) - pillow).max() <= 1


def test_area_average_rounds_half_up_and_keeps_a_size():
    np.testing.assert_array_equal(area_average(np.array([[0, 1], [2, 3]]), 2, 1), [[1], [3]])
    image = np.arange(12).reshape(3, 4)
    np.testing.assert_array_equal(area_average(image, 3, 4), image)


def test_thin_faint_stroke_keeps_its_levels():
    """8 bits between averaging and stretching left a pencil line with a handful of levels."""
    page = np.full((280, 280), 200, np.uint8)
    for step in range(200):
        page[40 + step, 100 + step // 3] = 170  # one pixel in ten, 30 levels: a mean of 3 levels
    assert len(np.unique(to_mnist(page))) > 8


@given(arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_centre_of_mass_lies_where_mnist_has_it(image):
    """All of MNIST's test images have it in [13.5, 14.5), unless the digit would stick out; no ink is lost."""
    assume(image.any())
    result = centre(image).astype(np.int64)
    assert result.sum() == image.sum()
    for axis in (0, 1):
        mass, size = result.sum(axis=axis), image.shape[1 - axis]
        middle = float(mass @ np.arange(28) / mass.sum())
        ideal = 14 - float(image.sum(axis=axis, dtype=np.int64) @ np.arange(size) / image.sum())
        if 1 <= ideal <= 27 - size:
            assert 13.5 - 1e-9 <= middle < 14.5 + 1e-9


def test_centre_matches_all_of_mnist(digits):
    for digit in digits:
        rows, columns = digit.any(axis=1).nonzero()[0], digit.any(axis=0).nonzero()[0]
        box = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        np.testing.assert_array_equal(centre(box), digit)


def test_centre_keeps_a_lopsided_digit_inside():
    image = np.zeros((20, 20), np.uint8)
    image[0, 0], image[19, 19] = 255, 1
    assert centre(image).astype(int).sum() == 256


def test_grey_equals_pillows_luma():
    """90,000 colours: a weight off by one in 65,536 shows in one pixel of 500."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    np.testing.assert_array_equal(grey(image), np.asarray(Image.fromarray(image).convert("L")))


def test_transparent_pixels_are_white_paper_and_half_transparent_ones_blend():
    """A transparent PNG holds black under its transparent pixels: read without alpha, the page is all ink."""
    image = np.zeros((28, 28, 4), np.uint8)
    image[8:20, 13:15, 3] = 255
    assert grey(image)[0, 0] == 255
    assert to_mnist(image)[14, 14] == 255
    assert grey(np.array([[[0, 0, 0, 128]]], np.uint8))[0, 0] == 127
    result = grey(np.random.default_rng(0).integers(0, 256, (300, 3, 4), dtype=np.uint8))  # longer than a strip
    assert result.shape == (300, 3)


def test_shrink_is_the_rounded_mean_of_whole_blocks():
    image = np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)
    means = image[:48, :69].reshape(16, 3, 23, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(shrink(image, 25), np.floor(means + 0.5))
    assert shrink(image, 70) is image


@given(st.integers(-1, 1), st.integers(-1, 1), st.integers(8, 60), st.integers(8, 60))
def test_background_follows_a_plane(a, b, height, width):
    """Two levels: an upper median is half a level high where the strip's pixels are even in number."""
    y, x = np.mgrid[:height, :width]
    page = (128 + a * x + b * y).clip(0, 255).astype(np.uint8)
    assert np.abs(background(page) - page).max() <= 2


@given(arrays(np.uint8, (9, 6)), st.integers(0, 12))
def test_box_sums_are_centred_and_cut_at_the_edge(image, reach):
    expected = [
        [image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].sum(dtype=int) for x in range(6)]
        for y in range(9)
    ]
    np.testing.assert_array_equal(_box_sums(image, reach), expected)


def test_dusky_paper_counts_as_bright():
    """A test of the border against 127 would not invert this page."""
    page = np.full((60, 60), 100, np.uint8)
    page[15:45, 28:33] = 40
    assert white_on_black(page)[30, 30] == 215
    assert to_mnist(page)[14, 14] == 255


def flood(mask: np.ndarray) -> np.ndarray:
    """Number the pieces by walking them, one after the other."""
    labels = np.zeros(mask.shape, int)
    for start in zip(*mask.nonzero(), strict=True):
        stack = [start] if not labels[start] else []
        while stack:
            y, x = stack.pop()
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x] and not labels[y, x]:
                labels[y, x] = start[0] * mask.shape[1] + start[1] + 1
                stack += [(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)]
    return labels


@given(arrays(bool, st.tuples(st.integers(1, 15), st.integers(1, 15))))
def test_label_finds_the_pieces_of_a_flood_fill(mask):
    found, expected = label(mask), flood(mask)
    pairs = {(int(a), int(b)) for a, b in zip(found.ravel(), expected.ravel(), strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert ((found > 0) == mask).all()


def test_label_joins_a_spiral():
    """The worst case for labels that travel one pixel a round and stop too early."""
    spiral, y, x = np.zeros((41, 41), bool), 20, 20
    for turn in range(19):
        for _ in range(2 * (turn // 2 + 1)):
            spiral[y, x] = True
            y, x = y + (0, 1, 0, -1)[turn % 4], x + (1, 0, -1, 0)[turn % 4]
    assert spiral.sum() == 200
    assert len(np.unique(label(spiral))) == 2


def test_fit_keeps_the_aspect_ratio():
    assert [fit(*box) for box in ((150, 31), (1, 100), (40, 39), (5, 5))] == [(20, 4), (1, 20), (20, 20), (20, 20)]


def test_stretch_rounds_half_up_at_any_scale():
    np.testing.assert_array_equal(stretch(np.array([0, 1, 2]) << 16), [0, 128, 255])


def test_find_ink_and_crop_leave_the_stroke_alone():
    """Paper that stays, or ink that goes, would move the box that everything after is measured from."""
    from edgelab.infer.preprocess import crop, find_ink

    page = np.zeros((100, 100), np.uint8)
    page[20:70, 40:60] = 255
    ink = find_ink(page)
    assert ink.shape == page.shape
    assert (ink[page == 0] == 0).all()
    assert crop(ink).shape == (50, 20)
