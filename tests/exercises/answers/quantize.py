"""Further answers to the exercises of notebook 08."""

import math

import numpy as np


def bits(low, high, error, up=math.ceil, values=1):
    return max(1, up(math.log2((high - low) / (2 * error) + values)))


def span(values):
    return np.max([*values, 0]) - np.min([*values, 0])


def bordered(q, fill, margin, dtype=np.int8):
    n, h, w, c = q.shape
    found = np.full((n, h + 2 * margin, w + 2 * margin, c), fill, dtype)
    found[:, margin : margin + h, margin : margin + w] = q
    return found


RIGHT = {
    "bits_needed": [
        bits,
        lambda low, high, error: next(n for n in range(1, 99) if 2**n - 1 >= (high - low) / error / 2),
    ],
    "depthwise_scales": [
        lambda w: np.abs(w).reshape(-1, w.shape[2] * w.shape[3]).max(axis=0) / 127,
        lambda w: np.array([np.abs(w[:, :, c, m]).max() / 127 for c in range(w.shape[2]) for m in range(w.shape[3])]),
        lambda w: (np.maximum(w.max((0, 1)), -w.min((0, 1))).ravel() / 127).astype(np.float32),
    ],
    "bits_lost": [
        lambda x, outlier: math.log2(span([*x, outlier])) - math.log2(span(x)),
        lambda x, outlier: math.log(span([*x, outlier]) / span(x)) / math.log(2),
    ],
    "with_zeros_around": [
        bordered,
        lambda q, z, m: np.pad(q, ((0, 0), (m, m), (m, m), (0, 0)), "constant", constant_values=np.int8(z)),
    ],
    "products_that_fit": [
        lambda n: (2**n // 2 - 1) // 32_385,
        lambda n: 2 ** (n - 1) // (255 * 127),
    ],
    "rounded_shift": [
        lambda acc, n: np.floor(acc / 2**n + 0.5).astype(np.int64),
        lambda acc, n: (acc >> n) + ((acc >> (n - 1)) & 1),
        lambda acc, n: np.array([(2 * int(a) + 2**n) // 2 ** (n + 1) for a in acc], np.int32),
    ],
    "straight_through": [
        lambda dy, x, low, high: np.where(np.clip(x, low, high) == x, dy, 0),
        lambda dy, x, low, high: np.where((x < low) | (x > high), 0.0, dy).astype(np.float32),
    ],
}
WRONG = {
    "bits_needed": [
        (lambda low, high, error: int(bits(low, high, error, float)) + 1, True),
        (lambda low, high, error: bits(low, high, error, math.floor), True),
        (lambda low, high, error: bits(low, high, error / 2), True),
        (lambda low, high, error: bits(low, high, 2 * error), True),
        (lambda low, high, error: bits(low, high, error, values=0), True),
        (lambda low, high, error: bits(0, high, error), True),
        (lambda low, high, error: bits(low, high, error) + 1, True),
        (lambda low, high, error: np.ceil(np.log2((high - low) / (2 * error) + 1)), True),
    ],
    "depthwise_scales": [
        (lambda w: np.abs(w).max(axis=(0, 1)) / 127, True),
        (lambda w: np.abs(w).max(axis=(0, 1)).T.ravel() / 127, True),
        (lambda w: w.max(axis=(0, 1)).ravel() / 127, True),
        (lambda w: np.ptp(w, axis=(0, 1)).ravel() / 255, True),
        (lambda w: np.abs(w).max(axis=(0, 1)).ravel() / 128, True),
        (lambda w: np.full(w[0, 0].size, np.abs(w).max() / 127), True),
        (lambda w: np.abs(w).max(axis=(0, 1, 3)) / 127, True),
    ],
    "bits_lost": [
        (lambda x, outlier: span([*x, outlier]) / span(x), True),
        (lambda x, outlier: math.log(span([*x, outlier]) / span(x)), True),
        (lambda x, outlier: math.log2(span(x) / span([*x, outlier])), True),
        (lambda x, outlier: math.log2(np.ptp([*x, outlier]) / np.ptp(x)), True),
        (lambda x, outlier: round(math.log2(span([*x, outlier]) / span(x))), True),
        (lambda x, outlier: math.log2(np.abs([*x, outlier]).max() / np.abs(x).max()), True),
        (lambda x, outlier: span([*x, outlier]) - span(x), False),
    ],
    "with_zeros_around": [
        (lambda q, z, m: bordered(q, 0, m), True),
        (lambda q, z, m: bordered(q, z, m, float), True),
        (lambda q, z, m: bordered(q, -128, m), True),
        (lambda q, z, m: bordered(q, z, 2 * m), True),
        (lambda q, z, m: np.pad(q, m, constant_values=z), True),
        (lambda q, z, m: bordered(q, z, m).transpose(0, 3, 1, 2), False),
        (lambda q, z, m: bordered(q, z, m)[:, m:, m:], True),
    ],
    "products_that_fit": [
        (lambda n: (2**n - 1) // (255 * 127), True),
        (lambda n: (2 ** (n - 1) - 1) // (127 * 127), True),
        (lambda n: (2 ** (n - 1) - 1) // 127**2, True),
        (lambda n: math.ceil((2 ** (n - 1) - 1) / (255 * 127)), True),
        (lambda n: 2 ** (n - 1) / (255 * 127), True),
        (lambda n: 2 ** (n - 16), False),
    ],
    "rounded_shift": [
        (lambda acc, n: acc // 2**n, True),
        (lambda acc, n: np.round(acc / 2**n).astype(int), True),
        (lambda acc, n: (acc / 2**n + 0.5).astype(int), True),
        (lambda acc, n: np.trunc(acc / 2**n).astype(int), True),
        (lambda acc, n: np.ceil(acc / 2**n).astype(int), True),
        (lambda acc, n: np.floor(acc / 2**n + 0.5), True),
        (lambda acc, n: np.where(acc < 0, -((-acc + 2 ** (n - 1)) >> n), (acc + 2 ** (n - 1)) >> n), True),
    ],
    "straight_through": [
        (lambda dy, x, low, high: np.where((x > low) & (x < high), dy, 0), True),
        (lambda dy, x, low, high: dy, True),
        (lambda dy, x, low, high: ((x >= low) & (x <= high)).astype(float), True),
        (lambda dy, x, low, high: np.clip(dy, low, high), True),
        (lambda dy, x, low, high: np.where((x >= low) & (x <= high), 0, dy), True),
        (lambda dy, x, low, high: np.where(np.abs(x) <= high, dy, 0), True),
    ],
}
