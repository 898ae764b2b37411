"""Further answers to the exercises of notebook 09."""

import math

import numpy as np


def step(w, v, dw, mask, rate, momentum):
    new = v * momentum - rate * dw
    return np.where(mask, w + new, 0), new


def masks(weights, sparsity, rounding=round, size=np.abs):
    flat = np.concatenate([size(w).reshape(-1) for w in weights])
    stays = np.ones(len(flat), bool)
    stays[np.argsort(flat)[: rounding(sparsity * len(flat))]] = False
    parts = np.split(stays, np.cumsum([w.size for w in weights])[:-1])
    return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


def means(values, codebook, empty=lambda entry: entry):
    mine = [[] for _ in codebook]
    for value in values:
        mine[int(np.argmin(np.abs(codebook - value)))].append(value)
    return np.array([np.mean(m) if m else empty(c) for m, c in zip(mine, codebook, strict=True)])


def ratio(n, k, code=lambda k: math.ceil(math.log2(k)), entry=32):
    return 32 * n / (n * code(k) + entry * k)


def stored(mask, bits, longest=None, begin=0):
    longest = 2**bits - 1 if longest is None else longest
    entries, gap = 0, begin
    for stays in mask:
        if stays or gap == longest:
            entries, gap = entries + 1, 0
        else:
            gap += 1
    return entries


def trimmed(mask, bits, longest=None):
    return stored(mask[: np.flatnonzero(mask)[-1] + 1], bits, longest)


RIGHT = {
    "step_with_mask": [
        step,
        lambda w, v, dw, mask, rate, momentum: [
            mask * (w + (momentum * v - rate * dw)),
            np.add(momentum * v, -rate * dw),
        ],
    ],
    "masks_over_all": [masks, lambda weights, sparsity: tuple(masks(weights, sparsity, lambda x: int(x + 0.5)))],
    "moved_codebook": [
        means,
        lambda values, codebook: np.array(
            [
                values[np.argmin((values[:, None] - codebook) ** 2, 1) == i].mean()
                if (np.argmin((values[:, None] - codebook) ** 2, 1) == i).any()
                else codebook[i]
                for i in range(len(codebook))
            ]
        ),
    ],
    "sharing_ratio": [ratio, lambda n, k: n * 32.0 / (n * (k - 1).bit_length() + k * 32)],
    "entries_with_fillers": [
        trimmed,
        lambda mask, bits: sum(
            1 + (b - a - 1) // 2**bits for a, b in zip([-1, *np.flatnonzero(mask)], np.flatnonzero(mask), strict=False)
        ),
    ],
    "alpha_in_effect": [
        lambda a, t: 1 / (1 + (1 - a) * t * t / a) if a else 0.0,
        lambda a, t: (a / t**2) / (a / t**2 + 1 - a),
    ],
}
WRONG = {
    "step_with_mask": [
        (
            lambda w, v, dw, mask, rate, momentum: (
                step(w, v, dw, mask, rate, momentum)[0],
                step(w, v, dw, mask, rate, momentum)[1] * mask,
            ),
            True,
        ),
        (lambda w, v, dw, mask, rate, momentum: step(w, v, -dw, mask, rate, momentum), True),
        (lambda w, v, dw, mask, rate, momentum: step(w, v, dw, mask, rate, momentum)[::-1], True),
        (lambda w, v, dw, mask, rate, momentum: step(w, v, dw, ~mask, rate, momentum), True),
        (lambda w, v, dw, mask, rate, momentum: step(w, v, dw, mask, rate, 1.0), True),
        (lambda w, v, dw, mask, rate, momentum: step(w, v * 0, dw, mask, rate, momentum), True),
        (lambda w, v, dw, mask, rate, momentum: step(w, v, dw, mask, rate, momentum)[0], False),
    ],
    "masks_over_all": [
        (lambda weights, sparsity: [masks([w], sparsity)[0] for w in weights], True),
        (lambda weights, sparsity: masks(weights, sparsity, math.ceil), True),
        (lambda weights, sparsity: masks(weights, sparsity, math.floor), True),
        (lambda weights, sparsity: masks(weights, sparsity, size=lambda w: w), True),
        (lambda weights, sparsity: [~m for m in masks(weights, sparsity)], True),
        (lambda weights, sparsity: [m.ravel() for m in masks(weights, sparsity)], True),
        (lambda weights, sparsity: [m.astype(float) for m in masks(weights, sparsity)], True),
        (lambda weights, sparsity: [np.abs(w) > np.percentile(np.abs(w), 100 * sparsity) for w in weights], False),
    ],
    "moved_codebook": [
        (lambda values, codebook: means(values, codebook, lambda entry: 0.0), True),
        (lambda values, codebook: means(values, codebook, lambda entry: np.nan), True),
        (lambda values, codebook: means(values, codebook, lambda entry: values[0]), True),
        (lambda values, codebook: np.sort(means(values, codebook)), True),
        (lambda values, codebook: (codebook + means(values, codebook)) / 2, True),
        (lambda values, codebook: means(values, codebook).tolist(), True),
        (lambda values, codebook: codebook, True),
    ],
    "sharing_ratio": [
        (lambda n, k: ratio(n, k, math.log2), True),
        (lambda n, k: ratio(n, k, lambda k: int(math.log2(k)) + 1), True),
        (lambda n, k: ratio(n, k, int.bit_length), True),
        (lambda n, k: ratio(n, k, entry=0), True),
        (lambda n, k: ratio(n, k, entry=4), True),
        (lambda n, k: 1 / ratio(n, k), True),
        (lambda n, k: ratio(n, k, lambda k: 8), True),
        (lambda n, k: ratio(n, k) * 32 / n, False),
    ],
    "entries_with_fillers": [
        (lambda mask, bits: stored(mask, bits), True),
        (lambda mask, bits: trimmed(mask, bits, 2**bits), True),
        (lambda mask, bits: trimmed(mask, bits, 2**bits - 2), True),
        (lambda mask, bits: int(mask.sum()), True),
        (lambda mask, bits: trimmed(mask, bits) - int(mask.sum()), True),
        (lambda mask, bits: trimmed(mask[np.argmax(mask) :], bits), True),
        (lambda mask, bits: int(mask.sum()) + int((~mask).sum()) // 2**bits, True),
        (lambda mask, bits: int(mask.sum()) + math.ceil((~mask).sum() / 2**bits), False),
        (lambda mask, bits: trimmed(mask, bits + 1), True),
    ],
    "alpha_in_effect": [
        (lambda a, t: a / (a + (1 - a) * t), True),
        (lambda a, t: a * t * t / (a * t * t + 1 - a), True),
        (lambda a, t: a / t / t, True),
        (lambda a, t: a, True),
        (lambda a, t: (1 - a) * t * t / (a + (1 - a) * t * t), True),
        (lambda a, t: a / (a + 1 - a * t * t), True),
    ],
}
