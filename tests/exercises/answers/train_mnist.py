"""Further answers to the exercises of notebook 05."""

import math

import numpy as np


def left(side, kernels, convolve=lambda n: n - 2, pool=lambda n: n // 2):
    for _ in range(len(kernels)):
        side = pool(convolve(side))
    return side**2 * kernels[-1]


def needed(a, h, z=1.96):
    return z * z * a * (1 - a) / (h * h)


def recalls(labels, answers, classes=None):
    classes = sorted(set(labels.tolist())) if classes is None else classes
    return [float(((labels == c) & (answers == c)).sum() / (labels == c).sum()) for c in classes]


def normal(x, mean, std):
    return (x - mean) / std


RIGHT = {
    "values_left": [left, lambda side, kernels: left(side, kernels, pool=lambda n: int(n / 2))],
    "categorical_loss": [
        lambda p, labels: -np.log(p[np.arange(len(labels)), labels]).mean(),
        lambda p, labels: sum(-math.log(row[k]) for row, k in zip(p, labels, strict=True)) / len(p),
        lambda p, labels: float(-np.log(np.take_along_axis(p, labels[:, None], 1) + 1e-7).mean()),
    ],
    "steps_in_an_epoch": [
        lambda n, size: math.ceil(n / size),
        lambda n, size: (n + size - 1) // size,
        lambda n, size: len(range(0, n, size)),
    ],
    "images_needed": [
        lambda a, h: math.ceil(needed(a, h)),
        lambda a, h: math.ceil(a * (1 - a) * (1.96 / h) ** 2),
        lambda a, h: -int(-needed(a, h) // 1),
    ],
    "balanced_accuracy": [
        lambda labels, answers: sum(recalls(labels, answers)) / len(recalls(labels, answers)),
        lambda labels, answers: np.mean(
            (np.bincount(labels, labels == answers) / np.maximum(np.bincount(labels), 1))[np.unique(labels)]
        ),
    ],
    "standardise": [
        lambda train, test: [normal(x, train.mean(), train.std()) for x in (train, test)],
        lambda train, test: tuple(
            normal(x, np.mean(train), math.sqrt(np.mean((train - np.mean(train)) ** 2))) for x in (train, test)
        ),
    ],
    "worth_answering": [
        lambda p, wrong, asking: np.max(p, 1) > 1 - asking / wrong,
        lambda p, wrong, asking: np.array([(1 - max(row)) * wrong < asking for row in p]),
    ],
}
WRONG = {
    "values_left": [
        (lambda side, kernels: left(side, kernels, convolve=lambda n: n), True),
        (lambda side, kernels: left(side, kernels, pool=lambda n: -(-n // 2)), True),
        (lambda side, kernels: left(side, kernels) // kernels[-1], True),
        (lambda side, kernels: left(side, kernels[:1]) // kernels[0] * kernels[-1], True),
        (lambda side, kernels: left(side, kernels, pool=lambda n: n / 2), False),
        (lambda side, kernels: left(side, kernels, convolve=lambda n: n - 1), True),
        (lambda side, kernels: left(side, kernels) * sum(kernels) // kernels[-1], True),
    ],
    "categorical_loss": [
        (lambda p, labels: -np.log(p[np.arange(len(labels)), labels]).sum(), True),
        (lambda p, labels: np.log(p[np.arange(len(labels)), labels]).mean(), True),
        (lambda p, labels: -np.log(p[np.arange(len(labels)), labels]), True),
        (lambda p, labels: -np.log2(p[np.arange(len(labels)), labels]).mean(), True),
        (lambda p, labels: -np.log(p[np.arange(len(labels)), labels].mean()), True),
        (lambda p, labels: -np.log(p.max(axis=1)).mean(), True),
        (lambda p, labels: -(p[np.arange(len(labels)), labels]).mean(), True),
    ],
    "steps_in_an_epoch": [
        (lambda n, size: n // size, True),
        (lambda n, size: int(n / size) + 1, True),
        (lambda n, size: n / size, True),
        (lambda n, size: np.ceil(n / size), True),
        (lambda n, size: round(n / size), True),
        (lambda n, size: size // n, False),
    ],
    "images_needed": [
        (lambda a, h: int(needed(a, h)) + 1, True),
        (lambda a, h: math.floor(needed(a, h)), True),
        (lambda a, h: round(needed(a, h)), True),
        (lambda a, h: math.ceil(needed(a, 2 * h)), True),
        (lambda a, h: math.ceil(needed(a, h, 1.0)), True),
        (lambda a, h: math.ceil(needed(0.5, h)), True),
        (lambda a, h: math.ceil(math.sqrt(needed(a, h))), True),
        (lambda a, h: needed(a, h), True),
    ],
    "balanced_accuracy": [
        (lambda labels, answers: (labels == answers).mean(), True),
        (lambda labels, answers: np.mean(recalls(labels, answers, range(10))), True),
        (lambda labels, answers: sum(recalls(labels, answers)) / 10, True),
        (lambda labels, answers: np.mean(recalls(answers, labels)), True),
        (lambda labels, answers: sum(recalls(labels, answers)), True),
        (lambda labels, answers: max(recalls(labels, answers)), False),
        (lambda labels, answers: recalls(labels, answers), True),
    ],
    "standardise": [
        (lambda train, test: tuple(normal(x, x.mean(), x.std()) for x in (train, test)), True),
        (lambda train, test: tuple(normal(x, train.mean(0), train.std(0)) for x in (train, test)), True),
        (lambda train, test: tuple(normal(x, train.mean(), train.var()) for x in (train, test)), True),
        (lambda train, test: normal(train, train.mean(), train.std()), True),
        (lambda train, test: (normal(train, train.mean(), train.std()), test), True),
        (lambda train, test: tuple(normal(x, train.min(), np.ptp(train)) for x in (train, test)), False),
        (lambda train, test: tuple(normal(x, train.mean(), train.std()) for x in (test, train)), True),
    ],
    "worth_answering": [
        (lambda p, wrong, asking: (1 - p.max(1)) * wrong <= asking, True),
        (lambda p, wrong, asking: (1 - p.max(1)) * wrong > asking, True),
        (lambda p, wrong, asking: p.max(1) * wrong < asking, True),
        (lambda p, wrong, asking: p.max(1) > asking / wrong, True),
        (lambda p, wrong, asking: ((1 - p.max(1)) * wrong < asking).astype(int), True),
        (lambda p, wrong, asking: (1 - p.max(1)).mean() * wrong < asking, True),
    ],
}
