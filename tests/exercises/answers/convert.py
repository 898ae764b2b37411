"""Further answers to the exercises of notebook 07."""

import math

import numpy as np


def affine(low, high, steps=255, least=-128, rounding=round):
    low, high = min(0, low), max(0, high)
    step = (high - low) / steps
    return step, int(rounding(least - low / step))


def samples(images, which, scale=255, dtype=np.float32):
    return [[(images[i].reshape(1, *images[i].shape, 1) / scale).astype(dtype)] for i in which]


def margins(logits):
    found = []
    for row in logits.tolist():
        best = max(row)
        row.remove(best)
        found.append(best - max(row))
    return np.array(found)


def bytes_of(layers, size, per_scale=12):
    total = 0
    for weights, channels in layers:
        total += 4 * (weights + channels) if size == 4 else weights + channels * (4 + 2 * per_scale)
    return total


def run(images, w, u, keep=False):
    h, found = np.zeros((1, len(u))), []
    for image in images:
        h = h if keep else np.zeros((1, len(u)))
        for row in image:
            h = np.tanh(row[None] @ w + h @ u)
        found.append(h[0])
    return np.stack(found)


RIGHT = {
    "scale_and_zero_point": [
        affine,
        lambda low, high: (
            np.float64(max(high, 0) - min(low, 0)) / 255,
            np.int64(np.rint(127 - max(high, 0) * 255 / (max(high, 0) - min(low, 0)))),
        ),
    ],
    "restored": [
        lambda q, scale, zero_point: (np.asarray(q, float) - zero_point) * scale,
        lambda q, scale, zero_point: np.subtract(q, zero_point, dtype=np.int16) * np.float32(scale),
        lambda q, scale, zero_point: scale * q.astype(float) - scale * zero_point,
    ],
    "calibration_samples": [
        lambda images, count: samples(images, np.linspace(0, len(images) - 1, count).astype(int)),
        lambda images, count: samples(images, np.random.default_rng(3).choice(len(images), count, replace=False)),
        lambda images, count: samples(images, [i * len(images) // count for i in range(count)]),
        lambda images, count: samples(images, range(len(images) - count, len(images))),
    ],
    "certain_share": [
        lambda logits, step: (margins(logits) > step).sum() / len(logits),
        lambda logits, step: float(
            np.mean(np.subtract(*np.partition(logits, (-2, -1), axis=1)[:, [-1, -2]].T) - step > 0)
        ),
    ],
    "constant_bytes": [
        bytes_of,
        lambda layers, size: sum(w * size + c * (4 + (24 if size == 1 else 0)) for w, c in layers),
    ],
    "fold_into_next": [
        lambda w, b, scale, shift: [np.diag(scale) @ w, w.T @ shift + b],
        lambda w, b, scale, shift: ((w.T * scale).T, b + (shift[:, None] * w).sum(axis=0)),
    ],
    "last_states": [
        run,
        lambda images, w, u: np.array([run(image[None], w, u)[0] for image in images]),
    ],
}
WRONG = {
    "scale_and_zero_point": [
        (lambda low, high: affine(low, high, steps=256), True),
        (lambda low, high: affine(low, high, least=0), True),
        (lambda low, high: ((high - low) / 255, round(-128 - low / ((high - low) / 255))), True),
        (lambda low, high: affine(low, high, rounding=math.floor), True),
        (lambda low, high: affine(low, high)[::-1], True),
        (lambda low, high: (affine(low, high)[0], float(affine(low, high)[1])), True),
        (lambda low, high: (max(abs(low), abs(high)) / 127, 0), True),
    ],
    "restored": [
        (lambda q, scale, zero_point: np.multiply(scale, np.subtract(q, np.int8(zero_point))), True),
        (lambda q, scale, zero_point: q * scale - zero_point, True),
        (lambda q, scale, zero_point: q.astype(int) * scale + zero_point * scale, True),
        (lambda q, scale, zero_point: (q.astype(int) - zero_point) / scale, True),
        (lambda q, scale, zero_point: q.astype(int) * scale, True),
        (lambda q, scale, zero_point: q.astype(int) - zero_point, True),
    ],
    "calibration_samples": [
        (lambda images, count: samples(images, range(count)), True),
        (
            lambda images, count: (
                samples(images, range(0, len(images), len(images) // count))[:count]
                and samples(images, range(len(images)))
            ),
            True,
        ),
        (lambda images, count: samples(images, np.linspace(0, len(images) - 1, count).astype(int), dtype=float), True),
        (lambda images, count: samples(images, np.linspace(0, len(images) - 1, count).astype(int), scale=1), True),
        (lambda images, count: samples(images, [len(images) - 1] * count), True),
        (lambda images, count: [each[0] for each in samples(images, range(len(images) - count, len(images)))], True),
        (
            lambda images, count: [[each[0][0]] for each in samples(images, range(len(images) - count, len(images)))],
            True,
        ),
        (lambda images, count: (each for each in samples(images, range(len(images) - count, len(images)))), False),
    ],
    "certain_share": [
        (lambda logits, step: (margins(logits) >= step).mean(), True),
        (lambda logits, step: (margins(logits) > step / 2).mean(), True),
        (lambda logits, step: (margins(logits) > 2 * step).mean(), True),
        (lambda logits, step: int((margins(logits) > step).sum()), True),
        (lambda logits, step: 100 * (margins(logits) > step).mean(), True),
        (lambda logits, step: margins(logits) > step, True),
        (lambda logits, step: 1 - (margins(logits) > step).mean(), True),
    ],
    "constant_bytes": [
        (lambda layers, size: bytes_of(layers, size, 8), True),
        (lambda layers, size: bytes_of(layers, size, 6), True),
        (lambda layers, size: bytes_of(layers, size) - 3 * sum(c for _, c in layers) * (size == 1), True),
        (lambda layers, size: bytes_of(layers, size, 0), True),
        (lambda layers, size: bytes_of(layers, 1), True),
        (lambda layers, size: bytes_of(layers[:1], size), True),
    ],
    "fold_into_next": [
        (lambda w, b, scale, shift: (np.diag(scale) @ w, b), True),
        (lambda w, b, scale, shift: (np.diag(scale) @ w, b + shift @ np.diag(scale) @ w), True),
        (lambda w, b, scale, shift: (w * scale, b + shift @ w), True),
        (lambda w, b, scale, shift: (np.diag(scale) @ w, (b + shift @ w)[None]), True),
        (lambda w, b, scale, shift: ((np.diag(scale) @ w).T, b + shift @ w), True),
        (lambda w, b, scale, shift: (np.diag(1 / scale) @ w, b + shift @ w), True),
    ],
    "last_states": [
        (lambda images, w, u: run(images, w, u, keep=True), True),
        (lambda images, w, u: run(images, w, u)[-1], True),
        (lambda images, w, u: run(images[:, ::-1], w, u), True),
        (lambda images, w, u: run(images, w, u.T), True),
        (lambda images, w, u: np.tanh(images @ w).sum(axis=1), True),
        (lambda images, w, u: run(images[:, -1:], w, u), True),
        (lambda images, w, u: list(run(images, w, u)), True),
    ],
}
