"""Further answers to the exercises of notebook 01."""

import math

import numpy as np


def centre_by_loops(image):
    rows = columns = total = 0
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            rows, columns, total = rows + i * int(image[i, j]), columns + j * int(image[i, j]), total + int(image[i, j])
    return rows / total, columns / total


def surest_by_rows(logits):
    found = []
    for row in logits:
        powers = [math.exp(z - max(row)) for z in row]
        found.append(max(powers) / sum(powers))
    return np.array(found)


RIGHT = {
    "surest": [
        lambda z: 1 / np.exp(z - z.max(axis=-1, keepdims=True)).sum(axis=-1),
        surest_by_rows,
        lambda z: np.exp(-np.logaddexp.reduce(z - np.max(z, 1)[:, None], axis=1)).astype(np.float32),
    ],
    "centre_of_mass": [
        centre_by_loops,
        lambda image: [float(np.average(i, weights=image)) for i in np.indices(image.shape)],
        lambda image: np.array([(i * image).sum() / image.sum() for i in np.indices(image.shape)]),
    ],
    "line_carries": [
        lambda size, rate, line: not size * rate * 8 / 1e6 > line,
        lambda size, rate, line: np.less_equal(size * rate, line * 125_000),
    ],
    "days_on_battery": [
        lambda wh, j, n: wh * 60 * 60 / j / n,
        lambda wh, j, n: np.float64(wh) / (j * n / 3600),
    ],
}
WRONG = {
    "surest": [
        (lambda z: (np.exp(z).T / np.exp(z).sum(1)).T.max(1), True),
        (lambda z: np.exp(z.max(1) - np.logaddexp.reduce(z, axis=0).max()), False),
        (lambda z: (np.exp(z - z.max()) / np.exp(z - z.max()).sum(axis=0)).max(axis=1), True),
        (lambda z: surest_by_rows(z).max(), True),
        (lambda z: surest_by_rows(z)[:, None], True),
        (lambda z: np.round(surest_by_rows(z), 2), True),
        (lambda z: 100 * surest_by_rows(z), True),
        (lambda z: 1 - surest_by_rows(z), True),
        (lambda z: surest_by_rows(z).tolist(), True),
    ],
    "centre_of_mass": [
        (lambda image: centre_by_loops(image)[::-1], True),
        (lambda image: centre_by_loops(image.T), True),
        (lambda image: tuple(int(x) for x in centre_by_loops(image)), True),
        (lambda image: tuple(np.argwhere(image).mean(axis=0)), True),
        (lambda image: (centre_by_loops(image)[0] + 1, centre_by_loops(image)[1] + 1), True),
        (lambda image: ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2), True),
    ],
    "line_carries": [
        (lambda size, rate, line: size * 8 * rate < line * 10**6, True),
        (lambda size, rate, line: size * rate * 8 <= line * 1024 * 1024, True),
        (lambda size, rate, line: size * rate <= line * 1e6, True),
        (lambda size, rate, line: not size * 8 * rate <= line * 1e6, True),
        (lambda size, rate, line: size * rate * 8 / 1000 <= line, True),
        (lambda size, rate, line: int(size * 8 * rate <= line * 1e6), True),
    ],
    "days_on_battery": [
        (lambda wh, j, n: wh / (j * n), True),
        (lambda wh, j, n: wh * 3600 // (j * n), True),
        (lambda wh, j, n: j * n / (wh * 3600), True),
        (lambda wh, j, n: wh * 3600 / (j * n) / 24, True),
        (lambda wh, j, n: wh * 60 / (j * n), True),
        (lambda wh, j, n: 3600 * wh * j / n, True),
        (lambda wh, j, n: 3600 * wh / j, True),
    ],
}
