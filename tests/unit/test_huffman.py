"""Huffman coding: as short as any code can be, and what is damaged is refused with what is missing."""

import itertools

import numpy as np
import pytest
from _examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.shrink.compress.huffman import LONGEST, canonical_codes, code_lengths, decode, encode, entropy

messages = st.lists(st.integers(0, 40), max_size=300).map(lambda s: np.array(s, np.uint8))
skewed = st.lists(st.integers(0, 12).map(lambda e: 2**e), min_size=1, max_size=60)


def coded(symbols: np.ndarray) -> tuple[np.ndarray, bytes]:
    lengths = code_lengths(np.bincount(symbols))
    return lengths, encode(symbols, lengths)


@settings(max_examples=examples(200, 80), deadline=None)
@given(messages)
def test_what_is_encoded_is_decoded(symbols):
    """Empty, one symbol many times, all different: each is an edge of the tree."""
    lengths, data = coded(symbols)
    assert decode(data, lengths, len(symbols)).tolist() == symbols.tolist()


@settings(max_examples=examples(200, 80), deadline=None)
@given(skewed)
def test_the_mean_length_is_within_a_bit_of_the_entropy(frequencies):
    """Shannon's bounds for a code of single symbols: H <= mean length < H + 1; one symbol alone takes a whole bit."""
    mean = np.dot(frequencies, code_lengths(frequencies)) / sum(frequencies)
    assert entropy(frequencies) <= mean + 1e-9  # rounding of the logarithms
    assert mean < entropy(frequencies) + 1 or (len(frequencies) == 1 and mean == 1)


@settings(max_examples=100, deadline=None)
@given(skewed)
def test_a_code_is_complete_and_no_code_begins_another(frequencies):
    """Kraft's sum is 1 where two symbols or more occur: nothing is wasted, and the decoder never has to guess."""
    lengths = code_lengths(frequencies)
    if len(frequencies) > 1:
        assert sum(2.0 ** -float(n) for n in lengths) == 1
    texts = sorted(f"{code:0{n}b}" for code, n in zip(canonical_codes(lengths), lengths, strict=True))
    assert not any(b.startswith(a) for a, b in itertools.pairwise(texts))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_no_code_is_shorter(frequencies):
    """Compared with every set of lengths that Kraft's inequality allows: up to 5 bits suffice for 6 symbols."""
    n = len(frequencies)
    possible = (a for a in itertools.product(range(1, n), repeat=n) if sum(2.0**-length for length in a) <= 1)
    assert np.dot(frequencies, code_lengths(frequencies)) == min(np.dot(frequencies, a) for a in possible)


def test_deflate_has_the_same_codes():
    """The example of RFC 1951, section 3.2.2: lengths of A to H, and their codes."""
    codes = canonical_codes([3, 3, 3, 3, 3, 2, 4, 4])
    assert [int(c) for c in codes] == [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]


def test_zlib_needs_no_less_for_symbols_without_order():
    """An independent Huffman coder: zlib without matches. It stores its lengths, too: some 60 bytes for 16 symbols."""
    import zlib

    symbols = np.random.default_rng(1).geometric(0.3, 50_000).clip(0, 15).astype(np.uint8)
    _, ours = coded(symbols)
    coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    theirs = coder.compress(symbols.tobytes()) + coder.flush()
    assert len(ours) <= len(theirs) < len(ours) * 1.02  # it also codes the end of each block


@settings(max_examples=examples(150, 60), deadline=None)
@given(messages.filter(len), st.data())
def test_data_cut_short_are_refused_with_what_is_missing(symbols, data):
    lengths, whole = coded(symbols)
    keep = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="are missing") as found:
        decode(whole[:keep], lengths, len(symbols))
    read = int(str(found.value).split(" with ")[1].split(" of ")[0])
    # As many as fit whole into the bytes that are left.
    assert read == np.searchsorted(np.cumsum(lengths[symbols].astype(int)), 8 * keep, side="right")
    assert f"{len(symbols) - read:,} are missing" in str(found.value)


def test_bits_that_are_no_code_and_bytes_left_over_are_refused():
    """A single symbol has the code 0; a 1 stands for nothing and must not be read as it."""
    assert decode(b"\x00", [1], 8).tolist() == [0] * 8
    with pytest.raises(ValueError, match="the bits from 3 on, after 3 of 8 symbols, begin no codeword"):
        decode(b"\x10", [1], 8)
    with pytest.raises(ValueError, match="8 symbols take 1 bytes, the data have 2"):
        decode(b"\x00\x00", [1], 8)
    with pytest.raises(ValueError, match="0 symbols take 0 bytes, the data have 1"):
        decode(b"\x00", [], 0)
    with pytest.raises(ValueError, match="count is 1, 0 symbols have a code"):
        decode(b"\x00", [0, 0], 1)


def test_an_endless_count_ends():
    """A damaged count must cost no more than the data it comes with."""
    with pytest.raises(ValueError, match="1,000,000,000,000 symbols read"):
        decode(b"\x00" * 10, [1], 10**12)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: code_lengths([[1, 2]]), ValueError, r"shape \(1, 2\)"),
        (lambda: code_lengths([0.5, 1]), TypeError, "float64"),
        (lambda: entropy([3, -1]), ValueError, r"frequencies\[1\] is -1"),
        (lambda: canonical_codes([1, 1, 1]), ValueError, "is 1.5; expected at most 1"),
        (lambda: canonical_codes([1, LONGEST + 1]), ValueError, f"from 1 to {LONGEST + 1}; expected 0 to {LONGEST}"),
        (lambda: canonical_codes([1.0]), TypeError, "float64"),
        (lambda: encode([0, 2], [1, 1]), ValueError, r"symbols\[1\] is 2; expected a symbol with a codeword"),
        (lambda: encode([1, 0], [0, 1]), ValueError, r"symbols\[1\] is 0; expected a symbol with a codeword"),
        (lambda: encode([0, -1], [1, 1]), ValueError, r"symbols\[1\] is -1"),
        (lambda: encode([[0]], [1]), TypeError, r"shape \(1, 1\)"),
    ],
)
def test_what_can_not_be_coded_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_the_longest_codes_survive():
    """Fibonacci's numbers make the deepest tree: 58 of them need codes of 57 bits, all that 8 bytes can show."""
    fibonacci = [1, 1]
    while len(fibonacci) < LONGEST + 1:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(fibonacci)
    assert lengths.max() == LONGEST
    symbols = np.arange(LONGEST + 1).repeat(3)
    assert decode(encode(symbols, lengths), lengths, len(symbols)).tolist() == symbols.tolist()


def test_all_weights_of_a_lenet_are_decoded():
    """A window of bits that slips after many symbols shows in a long message only."""
    symbols = np.random.default_rng(0).geometric(0.2, 266_610).clip(1, 32) - 1
    lengths, data = coded(symbols)
    np.testing.assert_array_equal(decode(data, lengths, len(symbols)), symbols)
