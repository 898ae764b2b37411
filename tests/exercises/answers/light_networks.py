"""Further answers to the exercises of notebook 06."""

import itertools
import math

import numpy as np


def live(sizes, skip, after=0, before=1):
    first, last = skip
    moments = []
    for layer in range(len(sizes) - 1):
        tensors = [sizes[layer], sizes[layer + 1]]
        if first + before <= layer <= last + after:
            tensors.append(sizes[first])
        moments.append(sum(tensors))
    return max(moments)


def block(c, f, e, k, norm=4):
    return c * c * e + norm * c * e + k * k * c * e + norm * c * e + c * e * f + norm * f


def unbeaten(sizes, accuracies, beats=lambda a, b: a >= b):
    pairs = list(zip(sizes, accuracies, strict=True))
    kept = []
    for i, (size, accuracy) in enumerate(pairs):
        others = [other for j, other in enumerate(pairs) if j != i]
        if not any(s <= size and beats(a, accuracy) for s, a in others):
            kept.append(i)
    return sorted(kept, key=lambda i: sizes[i])


def rungs(plans, epochs, eta):
    return plans * epochs + (rungs(plans // eta, epochs * eta, eta) if plans // eta else 0)


def dealt(x, groups):
    found = np.empty_like(x)
    each = x.shape[-1] // groups
    for g in range(groups):
        for i in range(each):
            found[..., g * each + i] = x[..., i * groups + g]
    return found


RIGHT = {
    "convolution_macs": [
        lambda side, k, c, f, stride: math.ceil(side / stride) ** 2 * k * k * c * f,
        lambda side, k, c, f, stride: len(range(0, side, stride)) ** 2 * (k**2 * c) * f,
    ],
    "peak_values": [
        live,
        lambda sizes, skip: max(
            a + b + (sizes[skip[0]] if skip[0] < i < skip[1] + 1 else 0)
            for i, (a, b) in enumerate(itertools.pairwise(sizes))
        ),
    ],
    "classify": [
        lambda x, w, b: np.einsum("nhwc,co->no", x, w) / (x.shape[1] * x.shape[2]) + b,
        lambda x, w, b: (x @ w + b).mean(axis=(1, 2)),
    ],
    "inverted_residual_params": [
        block,
        lambda c, f, e, k: sum((c * (c * e), k * k * c * e, c * e * f, 4 * (2 * c * e + f))),
    ],
    "unshuffle": [dealt, lambda x, groups: np.concatenate([x[..., g::groups] for g in range(groups)], axis=-1)],
    "on_the_frontier": [unbeaten, lambda sizes, accuracies: np.array(unbeaten(sizes, accuracies))],
    "halving_epochs": [
        rungs,
        lambda plans, epochs, eta: sum(plans // eta**r * epochs * eta**r for r in range(20)),
    ],
    "normalise_frozen": [
        lambda x, gamma, beta, mean, variance: (
            x * (gamma / np.sqrt(variance + 0.001)) + (beta - mean * gamma / np.sqrt(variance + 0.001))
        ),
        lambda x, gamma, beta, mean, variance: np.array(
            [(row - mean) * gamma * (variance + 1e-3) ** -0.5 + beta for row in x], np.float32
        ),
    ],
}
WRONG = {
    "convolution_macs": [
        (lambda side, k, c, f, stride: (side // stride) ** 2 * k * k * c * f, True),
        (lambda side, k, c, f, stride: math.ceil(side / stride) * side * k * k * c * f, True),
        (lambda side, k, c, f, stride: side * side * k * k * c * f, True),
        (lambda side, k, c, f, stride: math.ceil((side - k + 1) / stride) ** 2 * k * k * c * f, True),
        (lambda side, k, c, f, stride: 2 * math.ceil(side / stride) ** 2 * k * k * c * f, True),
        (lambda side, k, c, f, stride: math.ceil(side / stride) ** 2 * (k * k * c + 1) * f, True),
        (lambda side, k, c, f, stride: math.ceil(side / stride) ** 2 * k * k * (c + f), False),
    ],
    "peak_values": [
        (lambda sizes, skip: live(sizes, skip, after=-1), True),
        (lambda sizes, skip: live(sizes, skip, after=1), True),
        (lambda sizes, skip: live(sizes, skip, before=0), True),
        (lambda sizes, skip: max(map(sum, itertools.pairwise(sizes))), True),
        (lambda sizes, skip: sum(sizes), True),
        (lambda sizes, skip: max(sizes), True),
        (lambda sizes, skip: live(sizes, (skip[0], len(sizes))), True),
    ],
    "classify": [
        (lambda x, w, b: x @ w + b, True),
        (lambda x, w, b: (x @ w + b).sum(axis=(1, 2)), True),
        (lambda x, w, b: x.max(axis=(1, 2)) @ w + b, True),
        (lambda x, w, b: x.mean(axis=(1, 2)) @ w, True),
        (lambda x, w, b: (x @ w + b).mean(axis=(0, 1, 2)), True),
        (lambda x, w, b: (x @ w + b).mean(axis=(1, 2)).argmax(axis=1), True),
        (lambda x, w, b: np.maximum((x @ w + b).mean(axis=(1, 2)), 0), True),
    ],
    "inverted_residual_params": [
        (lambda c, f, e, k: block(c, f, e, k, norm=2), True),
        (lambda c, f, e, k: block(c, f, e, k, norm=0), True),
        (lambda c, f, e, k: block(c, f, e, k, norm=5), True),
        (lambda c, f, e, k: block(c, f, e, 1) - c * e + k * c * e, True),
        (lambda c, f, e, k: block(c, f, e, k) - c * e * k * k + (c * e * k) ** 2, True),
        (lambda c, f, e, k: block(f, c, e, k), True),
    ],
    "unshuffle": [
        (
            lambda x, groups: np.concatenate(
                [x[..., g :: x.shape[-1] // groups] for g in range(x.shape[-1] // groups)], -1
            ),
            True,
        ),
        (lambda x, groups: x, True),
        (lambda x, groups: np.sort(x, axis=-1), True),
        (lambda x, groups: x.reshape(-1, groups).T.reshape(x.shape), True),
        (lambda x, groups: x[..., ::-1], True),
        (lambda x, groups: dealt(x, groups)[..., ::-1], False),
    ],
    "on_the_frontier": [
        (lambda sizes, accuracies: unbeaten(sizes, accuracies, lambda a, b: a > b), True),
        (lambda sizes, accuracies: sorted(unbeaten(sizes, accuracies)), True),
        (lambda sizes, accuracies: unbeaten(sizes, accuracies)[::-1], True),
        (lambda sizes, accuracies: sizes[unbeaten(sizes, accuracies)], True),
        (lambda sizes, accuracies: [int(np.argmax(accuracies))], True),
        (lambda sizes, accuracies: unbeaten(sizes, accuracies)[1:], True),
    ],
    "halving_epochs": [
        (lambda plans, epochs, eta: sum(plans // eta**r * epochs for r in range(20)), True),
        (
            lambda plans, epochs, eta: plans * epochs + sum(plans // eta**r * epochs * eta**r for r in range(2, 20)),
            True,
        ),
        (lambda plans, epochs, eta: plans * epochs * (1 + int(math.log(plans, eta))), True),
        (lambda plans, epochs, eta: sum(plans // eta**r for r in range(20)), True),
        (lambda plans, epochs, eta: rungs(plans, epochs, eta) - epochs * eta ** int(math.log(plans + 0.5, eta)), True),
        (lambda plans, epochs, eta: plans * epochs, True),
    ],
    "normalise_frozen": [
        (lambda x, gamma, beta, mean, variance: gamma * (x - mean) / (variance + 0.001) + beta, True),
        (lambda x, gamma, beta, mean, variance: gamma * (x - mean) / np.sqrt(variance) + beta, True),
        (lambda x, gamma, beta, mean, variance: gamma * (x - x.mean(0)) / np.sqrt(variance + 0.001) + beta, True),
        (lambda x, gamma, beta, mean, variance: (x - mean) / np.sqrt(variance + 0.001), True),
        (lambda x, gamma, beta, mean, variance: gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta, True),
        (lambda x, gamma, beta, mean, variance: gamma * (x - mean) * np.sqrt(variance + 0.001) + beta, True),
    ],
}
