"""Further answers to the exercises of notebook 02."""

import itertools

import numpy as np


def stopped_by_counting(losses, patience):
    best, epoch_of_best, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, epoch_of_best, waited = loss, epoch, 0
        else:
            waited += 1
            if waited == patience:
                return epoch_of_best
    return epoch_of_best


def stopped_without_reset(losses, patience):
    best, epoch_of_best, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, epoch_of_best = loss, epoch
        else:
            waited += 1
        if waited >= patience:
            break
    return epoch_of_best


def gradients_by_loops(x, y, w):
    dw, db = np.zeros_like(w), np.zeros(y.shape[1])
    for n in range(len(x)):
        error = 2 * (x[n] @ w - y[n]) / y.size
        dw += np.outer(x[n], error)
        db += error
    return dw, db


RIGHT = {
    "parameters": [
        lambda sizes: sum(a * b + b for a, b in itertools.pairwise(sizes)),
        lambda sizes: int(np.dot(np.add(sizes[:-1], 1), sizes[1:])),
        lambda sizes: np.int64(sum(b * (a + 1) for a, b in itertools.pairwise(sizes))),
    ],
    "neuron": [
        lambda x, w, b: np.reciprocal(1 + np.exp(-b - w * x)),
        lambda x, w, b: 0.5 * (1 + np.tanh((w * x + b) / 2)),
        lambda x, w, b: np.array([np.exp(w * v + b) / (1 + np.exp(w * v + b)) for v in x]),
    ],
    "log_probabilities": [
        lambda z: z - np.logaddexp.reduce(z, axis=1, keepdims=True),
        lambda z: np.stack([row - row.max() - np.log(np.exp(row - row.max()).sum()) for row in z]),
    ],
    "linear_gradients": [
        gradients_by_loops,
        lambda x, y, w: [
            np.einsum("ni,no->io", x, (x @ w - y) * 2) / y.size,
            (x @ w - y).mean(axis=0) * 2 / y.shape[1],
        ],
    ],
    "early_stopping": [
        stopped_by_counting,
        lambda losses, patience: next(
            (
                i
                for i in range(len(losses))
                if losses[i] < min(losses[:i], default=np.inf)
                and min(losses[i + 1 : i + patience + 1], default=np.inf) >= losses[i]
            ),
            0,
        ),
    ],
}
WRONG = {
    "parameters": [
        (lambda sizes: sum(a * b for a, b in itertools.pairwise(sizes)), True),
        (lambda sizes: sum(a * b + a for a, b in itertools.pairwise(sizes)), True),
        (lambda sizes: sum(a * b for a, b in itertools.pairwise(sizes)) + sum(sizes), True),
        (lambda sizes: sum(sizes[0] * b + b for b in sizes[1:]), True),
        (lambda sizes: (sizes[0] + 1) * sizes[-1], True),
        (lambda sizes: sum(a * b + 1 for a, b in itertools.pairwise(sizes)), True),
        (lambda sizes: float(sum(a * b + b for a, b in itertools.pairwise(sizes))), True),
    ],
    "neuron": [
        (lambda x, w, b: 1 / (1 + np.exp(w * x + b)), True),
        (lambda x, w, b: 1 / (1 + np.exp(-w * x)) + b, True),
        (lambda x, w, b: np.tanh(w * x + b), True),
        (lambda x, w, b: w * x + b, True),
        (lambda x, w, b: (1 / (1 + np.exp(-(w * x + b)))).round(), True),
        (lambda x, w, b: 1 / (1 + np.exp(-(w * x + b)).sum()), True),
    ],
    "log_probabilities": [
        (lambda z: np.log(np.exp(z) / np.exp(z).sum(1, keepdims=True)), True),
        (lambda z: np.log(np.exp(z - z.max()) / np.exp(z - z.max()).sum(1, keepdims=True) + 1e-12), True),
        (lambda z: z - z.max(1, keepdims=True), True),
        (lambda z: z - np.log(np.exp(z).sum(axis=1, keepdims=True)), True),
        (lambda z: np.logaddexp.reduce(z, axis=1, keepdims=True) - z, True),
        (lambda z: z - np.logaddexp.reduce(z, axis=1), True),
    ],
    "linear_gradients": [
        (lambda x, y, w: (x.T @ (x @ w - y) / y.size, ((x @ w - y) / y.size).sum(0)), True),
        (lambda x, y, w: (2 * x.T @ (x @ w - y) / len(x), 2 * (x @ w - y).mean(0)), True),
        (lambda x, y, w: (gradients_by_loops(x, y, w)[0].T, gradients_by_loops(x, y, w)[1]), True),
        (lambda x, y, w: gradients_by_loops(x, y, w)[::-1], True),
        (lambda x, y, w: tuple(-g for g in gradients_by_loops(x, y, w)), True),
        (lambda x, y, w: (gradients_by_loops(x, y, w)[0], gradients_by_loops(x, y, w)[1][None]), True),
    ],
    "early_stopping": [
        (lambda losses, patience: int(np.argmin(losses)), True),
        (stopped_without_reset, True),
        (lambda losses, patience: stopped_by_counting(losses, patience) + 1, True),
        (lambda losses, patience: stopped_by_counting(losses, patience + 1), True),
        (lambda losses, patience: stopped_by_counting([-x for x in losses], patience), False),
        (lambda losses, patience: len(losses) - 1, True),
    ],
}
