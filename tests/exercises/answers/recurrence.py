"""Further answers to the exercises of notebook 04."""

import itertools
import math

import numpy as np


def sigma(z):
    return 1 / (1 + np.exp(-z))


def states(x, w, u, b, f=sigma, first=0.0):
    return list(itertools.accumulate(x, lambda h, value: f(w * value + u * h + b), initial=first))


def gradients(dy, h, u):
    flow = [float(dy[-1])]
    for t in range(len(dy) - 2, -1, -1):
        flow.insert(0, dy[t] + flow[0] * u * (1 - h[t + 1] * h[t + 1]))
    return np.array(flow)


def reordered(weight, order):
    return np.vstack([np.split(weight, 3)[i] for i in order])


def counted_loss(losses, mask):
    total, count = 0.0, 0
    for i, j in np.ndindex(mask.shape):
        if mask[i, j]:
            total, count = total + losses[i, j], count + 1
    return total / count


RIGHT = {
    "scalar_states": [
        lambda x, w, u, b: np.array(states(x, w, u, b)[1:]),
        lambda x, w, u, b: np.asarray(states(x, w, u, b, lambda z: (1 + math.tanh(z / 2)) / 2)[1:], np.float32),
    ],
    "state_gradients": [
        gradients,
        lambda dy, h, u: np.array(
            [sum(dy[s] * np.prod(u * (1 - h[t + 1 : s + 1] ** 2)) for s in range(t, len(dy))) for t in range(len(dy))]
        ),
    ],
    "gru_weights_for_keras": [
        lambda weight: reordered(weight, (1, 0, 2)).T,
        lambda weight: weight.reshape(3, -1, weight.shape[1])[[1, 0, 2]].reshape(weight.shape).transpose(),
        lambda weight: np.hstack([weight.T[:, k * len(weight) // 3 :][:, : len(weight) // 3] for k in (1, 0, 2)]),
    ],
    "gru_parameters": [
        lambda inputs, units, after: 3 * (inputs * units + units * units + (2 if after else 1) * units),
        lambda inputs, units, after: sum(units * (inputs + units + (1, 2)[after]) for _ in "zrg"),
    ],
    "masked_loss": [
        counted_loss,
        lambda losses, mask: np.average(losses, weights=mask),
        lambda losses, mask: np.where(mask, losses, 0).sum() / np.count_nonzero(mask),
    ],
}
WRONG = {
    "scalar_states": [
        (lambda x, w, u, b: np.array(states(x, w, u, b)), True),
        (lambda x, w, u, b: np.array(states(x, w, u, b)[:-1]), True),
        (lambda x, w, u, b: np.array(states(x, w, u, b, np.tanh)[1:]), True),
        (lambda x, w, u, b: np.array(states(x, w, u, b, first=1.0)[1:]), True),
        (lambda x, w, u, b: states(x, w, u, b)[-1], True),
        (lambda x, w, u, b: sigma(w * x + b), True),
        (lambda x, w, u, b: np.array(states(x, u, w, b)[1:]), True),
        (lambda x, w, u, b: states(x, w, u, b)[1:], True),
    ],
    "state_gradients": [
        (lambda dy, h, u: gradients(dy, np.concatenate([h[1:], h[:1]]), u), False),
        (lambda dy, h, u: dy + np.append(dy[1:] * (1 - h[1:] ** 2) * u, 0), True),
        (lambda dy, h, u: gradients(dy, h, 1.0), True),
        (lambda dy, h, u: gradients(dy, h * 0, u), True),
        (lambda dy, h, u: gradients(dy, h, u)[::-1], True),
        (lambda dy, h, u: gradients(dy, np.sqrt(np.abs(h)), u), False),
        (lambda dy, h, u: np.array(dy), True),
    ],
    "gru_weights_for_keras": [
        (lambda weight: weight.T, True),
        (lambda weight: reordered(weight, (1, 0, 2)), True),
        (lambda weight: reordered(weight, (2, 0, 1)).T, True),
        (lambda weight: reordered(weight, (1, 2, 0)).T, True),
        (lambda weight: reordered(weight, (1, 0, 2)).reshape(weight.shape[1], -1), True),
        (lambda weight: weight.T[:, ::-1], True),
    ],
    "gru_parameters": [
        (lambda inputs, units, after: 3 * units * (inputs + units + 1), True),
        (lambda inputs, units, after: 3 * units * (inputs + units + 2), True),
        (lambda inputs, units, after: 3 * (inputs * units + units**2) + 3 * (1 + after), True),
        (lambda inputs, units, after: 4 * units * (inputs + units + 1 + after), True),
        (lambda inputs, units, after: 3 * units * (inputs + units), True),
        (lambda inputs, units, after: 3 * units * (inputs + 1 + after), True),
    ],
    "masked_loss": [
        (lambda losses, mask: float(np.mean(losses * mask)), True),
        (lambda losses, mask: float((losses * mask).sum()), True),
        (lambda losses, mask: float(losses.mean()), True),
        (lambda losses, mask: np.mean([row[m].mean() for row, m in zip(losses, mask, strict=True) if m.any()]), True),
        (lambda losses, mask: losses[~mask].mean(), True),
        (lambda losses, mask: (losses * mask).sum() / len(losses), True),
        (lambda losses, mask: losses[mask], True),
    ],
}
