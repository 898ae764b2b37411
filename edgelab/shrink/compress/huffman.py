"""Huffman coding: frequent symbols get short codewords; a decoder needs only the lengths of the codewords."""

from __future__ import annotations

import heapq

import numpy as np

# decode reads 64 bits from the byte in which a codeword begins: up to 7 bits before it, 57 of the codeword.
LONGEST = 57


def entropy(frequencies: np.ndarray) -> float:
    """Return the entropy −Σ p log₂ p in bits a symbol: no code for single symbols has a smaller mean length.

    frequencies: integers (symbols,), how often each symbol occurs. Returns 0 where none occurs. Raises TypeError or
    ValueError for numbers that cannot be counts. Shannon 1948, theorem 9.

    >>> entropy([2, 1, 1])
    1.5
    """
    counts = check_frequencies(frequencies)
    p = counts[counts > 0] / max(1, counts.sum())
    return float(np.abs(p @ np.log2(p))) if len(p) else 0.0


def code_lengths(frequencies: np.ndarray) -> np.ndarray:
    """Return the length in bits of each symbol's codeword in a code of the smallest mean length.

    frequencies: integers (symbols,), how often each symbol occurs. The two rarest symbols are joined into one until one
    is left; each joining adds a bit to the codewords of all symbols below it. Returns uint8 (symbols,): 0 for a symbol
    that does not occur, 1 for a symbol that occurs alone. Raises TypeError or ValueError for numbers that cannot be
    counts. Huffman 1952.

    >>> code_lengths([5, 2, 1, 0])
    array([1, 2, 2, 0], dtype=uint8)
    """
    counts = check_frequencies(frequencies)
    lengths = np.zeros(len(counts), np.uint8)
    # Count, order among equal counts, symbols below: joined ones come last, which keeps the longest codeword short.
    heap = [(int(count), symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][2]] = 1
    heapq.heapify(heap)
    for order in range(len(counts), len(counts) + len(heap) - 1):
        (first, _, left), (second, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (first + second, order, left + right))
    return lengths


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """Return the codeword of each symbol, given only the lengths: in order of length, then of symbol.

    lengths: integers (symbols,), 0 for a symbol without a codeword. Returns uint64 (symbols,): the codeword in the
    lowest bits. Raises TypeError or ValueError for lengths that no code can have in which no codeword begins another
    (Kraft 1949: Σ 2^−length must not exceed 1). Deutsch 1996, RFC 1951, section 3.2.2.

    >>> [f"{code:0{n}b}" for code, n in zip(canonical_codes([2, 1, 2]), [2, 1, 2])]
    ['10', '0', '11']
    """
    order, starts, longest, _ = canonical_order(lengths)
    codes = np.zeros(len(lengths), np.uint64)
    codes[order] = starts >> (longest - np.asarray(lengths)[order]).astype(np.uint64)
    return codes


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """Return the bytes of the symbols' canonical codewords, one after another, the highest bit of a byte first.

    symbols: integers (n,), each with a codeword. lengths: as `code_lengths` returns them. The unused bits of the last
    byte are 0. Raises TypeError for another shape or type, ValueError naming a symbol without a codeword.

    >>> encode([1, 0, 1, 2], [2, 1, 2]).hex()
    '4c'
    """
    symbols, lengths = np.asarray(symbols), np.asarray(lengths)
    codes = canonical_codes(lengths)
    if symbols.size == 0:
        return b""
    if symbols.ndim != 1 or symbols.dtype.kind not in "iu":
        raise TypeError(f"symbols are {symbols.dtype} of shape {symbols.shape}; expected integers (n,)")
    wrong = np.flatnonzero((symbols < 0) | (symbols >= len(lengths)))
    wrong = wrong if len(wrong) else np.flatnonzero(lengths[symbols] == 0)
    if len(wrong):
        raise ValueError(f"symbols[{wrong[0]}] is {symbols[wrong[0]]}; expected a symbol with a codeword in lengths")
    each = lengths[symbols].astype(np.intp)  # the type that np.repeat takes: on a 32-bit machine int64 is too wide
    ends = np.cumsum(each, dtype=np.int64)
    # For each bit of the output, how many bits of its codeword follow: two after the first of three.
    follow = np.repeat(ends, each) - np.arange(ends[-1]) - 1
    bits = np.repeat(codes[symbols], each) >> follow.astype(np.uint64) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8)).tobytes()


def decode(data: bytes, lengths: np.ndarray, count: int) -> np.ndarray:
    """Return the symbols that `encode` wrote.

    lengths: as given to `encode`. count: number of symbols. Returns int64 (count,). For every bit of the data, the
    symbol whose codeword would begin there is looked up, for all bits at once; then the codewords are followed one by
    one. Raises ValueError when the data end early, saying how many symbols are missing, when bits are not a codeword,
    and when whole bytes are left over; TypeError or ValueError as `canonical_codes` does for impossible lengths.

    >>> decode(bytes.fromhex("4c"), [2, 1, 2], count=4).tolist()
    [1, 0, 1, 2]
    """
    order, starts, longest, end = canonical_order(lengths)
    if count < 0 or (count and not len(order)):
        raise ValueError(
            f"count is {count}, {len(order)} symbols have a codeword; expected a count ≥ 0 and at least one codeword"
        )
    raw = np.frombuffer(bytes(data) + bytes(8), np.uint8).astype(np.uint64)
    begin = np.zeros(len(data), np.uint64)
    for k in range(8):
        begin |= raw[k : k + len(data)] << np.uint64(56 - 8 * k)
    seen = (begin[:, None] << np.arange(8, dtype=np.uint64) >> np.uint64(64 - max(longest, 1))).ravel()
    place = np.searchsorted(starts, seen, side="right") - 1
    bits = np.asarray(lengths)[order][place].astype(np.int64) if count else place
    bits[seen >= end] = 0  # no codeword begins with these bits
    steps, at, visited = bits.tolist(), 0, []
    for _ in range(count):
        if at >= len(steps) or not steps[at]:
            break
        visited.append(at)
        at += steps[at]
    whole = len(visited) - (at > len(steps))
    if whole < count and at < len(steps):
        raise ValueError(
            f"the bits from {at:,} on, after {whole:,} of {count:,} symbols, begin no codeword: damaged data"
        )
    if whole < count:
        raise ValueError(
            f"the data end after {len(data):,} bytes with {whole:,} of {count:,} symbols read; {count - whole:,} are "
            "missing. Are the data cut short?"
        )
    if len(data) > -(-at // 8):
        raise ValueError(
            f"{count:,} symbols take {-(-at // 8):,} bytes, the data have {len(data):,}. Is the count right?"
        )
    return order[place[visited]].astype(np.int64) if count else np.zeros(0, np.int64)


def check_frequencies(frequencies: np.ndarray) -> np.ndarray:
    """Return frequencies as int64 (symbols,), after checking that they are counts.

    Raises ValueError for another shape or a negative count, TypeError for types other than integers.

    >>> check_frequencies(np.bincount([0, 2, 2])).tolist()
    [1, 0, 2]
    """
    counts = np.asarray(frequencies)
    if counts.ndim != 1:
        raise ValueError(
            f"frequencies have shape {counts.shape}; expected (symbols,), as np.bincount(data.ravel()) returns"
        )
    if len(counts) and counts.dtype.kind not in "iu":
        raise TypeError(f"frequencies are {counts.dtype}; expected integers, how often each symbol occurs")
    if len(counts) and counts.min() < 0:
        raise ValueError(f"frequencies[{counts.argmin()}] is {counts.min()}; expected 0 or more")
    return counts.astype(np.int64)


def canonical_order(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return the order of canonical codewords: symbols by length, and among equal lengths by number.

    lengths: int (symbols,), bits of each symbol's codeword, 0 for none. Returns the symbols in that order; their
    codewords, each with zeros appended to the longest length, uint64; that length; and the first number above all
    codewords. Raises TypeError or ValueError for lengths that no code has.

    >>> order, codes, longest, end = canonical_order(np.array([2, 1, 0, 2]))
    >>> order.tolist(), [format(int(code), "02b") for code in codes], longest, end
    ([1, 0, 3], ['00', '10', '11'], 2, 4)
    """
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or (len(lengths) and lengths.dtype.kind not in "iu"):
        raise TypeError(f"lengths are {lengths.dtype} of shape {lengths.shape}; expected integers (symbols,)")
    longest = int(lengths.max(initial=0))
    if lengths.min(initial=0) < 0 or longest > LONGEST:
        raise ValueError(f"code lengths run from {lengths.min()} to {longest}; expected 0 to {LONGEST} bits")
    order = np.argsort(lengths, kind="stable")[np.count_nonzero(lengths == 0) :]
    steps = np.left_shift(1, longest - lengths[order].astype(np.int64))
    starts = np.cumsum(steps, dtype=np.int64) - steps
    end = sum(steps.tolist())
    if end > 1 << longest:
        raise ValueError(
            f"no code has {len(order)} codewords of these lengths: Σ 2^−length is {end / 2**longest:g}; expected at "
            "most 1. Are the lengths damaged?"
        )
    return order, starts.astype(np.uint64), longest, end
