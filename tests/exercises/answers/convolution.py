"""Further answers to the exercises of notebook 03."""

import math

import numpy as np


def windows(x, w):
    return np.lib.stride_tricks.sliding_window_view(x, w.shape)


def gradient_by_places(dy, x, kernel, stride):
    dw = np.zeros(kernel)
    for p, upstream in enumerate(dy):
        dw += upstream * x[p * stride : p * stride + kernel]
    return dw


def counted_layers(size, kernel):
    seen, layers = 1, 0
    while seen < size:
        seen, layers = seen + kernel - 1, layers + 1
    return layers


RIGHT = {
    "all_places": [
        lambda x, w: np.einsum("pqij,ij->pq", windows(x, w), w),
        lambda x, w: sum(
            w[i, j] * x[i : x.shape[0] - len(w) + i + 1, j : x.shape[1] - w.shape[1] + j + 1]
            for i, j in np.ndindex(w.shape)
        ),
    ],
    "zeros_to_keep_size": [
        lambda kernel, dilation: kernel * dilation - dilation,
        lambda kernel, dilation: len(range(0, kernel * dilation, dilation)) * dilation - dilation,
    ],
    "convolve_row": [
        lambda x, w: np.convolve(x, w, "valid"),
        lambda x, w: windows(x, w) @ np.flip(w),
        lambda x, w: np.array(
            [sum(x[p + len(w) - 1 - i] * w[i] for i in range(len(w))) for p in range(len(x) - len(w) + 1)]
        ),
    ],
    "separable_cost": [
        lambda kernel, channels, kernels: 1 / kernels + 1 / kernel**2,
        lambda kernel, channels, kernels: (kernel * kernel + kernels) / (kernel * kernel * kernels),
    ],
    "weight_gradient": [
        gradient_by_places,
        lambda dy, x, kernel, stride: np.lib.stride_tricks.sliding_window_view(x, kernel)[::stride][: len(dy)].T @ dy,
    ],
    "layers_needed": [
        counted_layers,
        lambda size, kernel: math.ceil((size - 1) / (kernel - 1)),
        lambda size, kernel: (size + kernel - 3) // (kernel - 1),
    ],
}
WRONG = {
    "all_places": [
        (lambda x, w: np.einsum("pqij,ij->pq", windows(x, w), w[::-1, ::-1]), True),
        (lambda x, w: np.einsum("pqij,ij->pq", windows(x, w)[:-1, :-1], w), True),
        (lambda x, w: np.einsum("pqij,ij->qp", windows(x, w), w), True),
        (lambda x, w: np.einsum("pqij,ij->pq", windows(x, w), w) / w.size, True),
        (lambda x, w: np.einsum("pqij,ij->pq", windows(x, w)[:: len(w), :: w.shape[1]], w), True),
        (lambda x, w: windows(x, w) * w, True),
        (lambda x, w: np.einsum("pqij,ij->pq", windows(np.pad(x, 1), w), w), True),
    ],
    "zeros_to_keep_size": [
        (lambda kernel, dilation: (kernel - 1) // 2 * dilation, True),
        (lambda kernel, dilation: 2 * (kernel // 2) * dilation, True),
        (lambda kernel, dilation: kernel + (kernel - 1) * (dilation - 1), True),
        (lambda kernel, dilation: kernel + dilation - 1, True),
        (lambda kernel, dilation: kernel - 1, True),
        (lambda kernel, dilation: (kernel - 1) * dilation / 2, True),
    ],
    "convolve_row": [
        (lambda x, w: np.correlate(x, w, "valid"), True),
        (lambda x, w: np.convolve(x, w), True),
        (lambda x, w: np.convolve(x, w, "valid")[:-1], True),
        (lambda x, w: np.convolve(x, w, "valid")[::-1], True),
        (lambda x, w: -np.convolve(x, w, "valid"), True),
        (lambda x, w: list(np.convolve(x, w, "valid")), True),
    ],
    "separable_cost": [
        (lambda kernel, channels, kernels: 1 / channels + 1 / kernel**2, True),
        (lambda kernel, channels, kernels: 1 / (1 / kernels + 1 / kernel**2), True),
        (lambda kernel, channels, kernels: 1 / kernels, True),
        (lambda kernel, channels, kernels: 1 / kernels + 1 / kernel, True),
        (lambda kernel, channels, kernels: 100 * (1 / kernels + 1 / kernel**2), True),
        (lambda kernel, channels, kernels: kernel**2 * channels + channels * kernels, True),
    ],
    "weight_gradient": [
        (lambda dy, x, kernel, stride: gradient_by_places(dy, x, kernel, 1), True),
        (lambda dy, x, kernel, stride: gradient_by_places(dy[::-1], x, kernel, stride), True),
        (lambda dy, x, kernel, stride: gradient_by_places(dy, x, kernel, stride)[::-1], True),
        (lambda dy, x, kernel, stride: gradient_by_places(dy, x, kernel, stride) / len(dy), True),
        (lambda dy, x, kernel, stride: gradient_by_places(dy, x, kernel, stride).sum(), True),
        (lambda dy, x, kernel, stride: np.array([x[i] * dy[0] for i in range(kernel)]), True),
    ],
    "layers_needed": [
        (lambda size, kernel: math.ceil(size / (kernel - 1)), True),
        (lambda size, kernel: math.ceil(size / kernel), True),
        (lambda size, kernel: (size - 1) // (kernel - 1), True),
        (lambda size, kernel: 1 + (size - kernel) // (kernel - 1), True),
        (lambda size, kernel: round((size - 1) / (kernel - 1)), True),
        (lambda size, kernel: (size - 1) / (kernel - 1), True),
        (lambda size, kernel: max(1, counted_layers(size, kernel)), True),
    ],
}
