"""Time of a convolution in NumPy: the fast one against TensorFlow's on the same cores, and against plain loops.

usage: python benchmarks/conv.py

Both run 32 images of 28×28 with 8 channels through 16 kernels of 3×3, float32, "valid". NumPy and TensorFlow take turns
in short rounds, so that whatever else the machine does meets both; a row gives the median of the rounds' medians, and
the ratio to TensorFlow round by round. The loops run one of the 32 images, so their row gives nanoseconds a
multiply-accumulate, which is what they are compared by.
"""

import time
from collections.abc import Callable

import numpy as np

from edgelab.course.results.benchmarks import save_measured
from edgelab.maths.conv import conv2d, conv2d_grad, conv2d_loops, conv2d_macs

BATCH, SIZE, CHANNELS, KERNELS, KERNEL = 32, 28, 8, 16, 3
ROUNDS, RUNS = 25, 20


def median_ms(run: Callable[[], object], runs: int) -> float:
    """Return the median time of a call in milliseconds."""
    times = np.empty(runs)
    for i in range(runs):
        start = time.perf_counter()
        run()
        times[i] = time.perf_counter() - start
    return float(np.median(times)) * 1e3


def callables(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> dict[str, Callable[[], object]]:
    """Return what is timed in turns: forward, and forward with gradients, in both."""
    import tensorflow as tf

    images, kernels, bias = tf.constant(x), tf.constant(w), tf.constant(b)

    @tf.function
    def forward(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        return tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "VALID"), bias)

    @tf.function
    def backward(x: tf.Tensor, w: tf.Tensor, dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        dx = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=w, out_backprop=dy, strides=[1] * 4, padding="VALID"
        )
        dw = tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=tf.shape(w), out_backprop=dy, strides=[1] * 4, padding="VALID"
        )
        return dx, dw, tf.reduce_sum(dy, axis=[0, 1, 2])

    y = forward(images, kernels)
    dy = y.numpy()
    np.testing.assert_allclose(conv2d(x, w, b), dy, rtol=1e-4, atol=1e-4)  # float32, sums of 72 products
    for ours, theirs in zip(conv2d_grad(dy, x, w), backward(images, kernels, y), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-2)  # float32, sums of 21,632 products
    return {
        "TensorFlow forward": lambda: forward(images, kernels).numpy(),
        "NumPy forward": lambda: conv2d(x, w, b),
        "TensorFlow gradients": lambda: [d.numpy() for d in backward(images, kernels, y)],
        "NumPy gradients": lambda: conv2d_grad(dy, x, w),
    }


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, SIZE, SIZE, CHANNELS)).astype(np.float32)
    w = rng.normal(size=(KERNEL, KERNEL, CHANNELS, KERNELS)).astype(np.float32)
    b = rng.normal(size=KERNELS).astype(np.float32)
    macs = BATCH * conv2d_macs(x.shape[1:3], w.shape)
    measured = callables(x, w, b)
    medians: dict[str, list[float]] = {name: [] for name in measured}
    for run in measured.values():
        median_ms(run, RUNS)
    for _ in range(ROUNDS):
        for name, run in measured.items():
            medians[name].append(median_ms(run, RUNS))
    one = {"loops": conv2d_loops, "NumPy forward": conv2d}
    np.testing.assert_allclose(*(function(x[:1], w, b) for function in one.values()), rtol=1e-4, atol=1e-4)
    medians["loops"] = [median_ms(lambda: conv2d_loops(x[:1], w, b), 1) for _ in range(5)]
    rows = []
    for name, values in medians.items():
        images = 1 if name == "loops" else BATCH
        products = 2 * macs if "gradients" in name else macs  # dx and dw are as much work as y, each
        # Compared with TensorFlow round by round; the loops by work, with the fast version's median.
        base = np.median(medians["NumPy forward"]) / BATCH
        if name != "loops":
            base = np.array(medians[f"TensorFlow {name.split()[1]}"]) / BATCH
        ratios = np.array(values) / images / base
        row = {
            "what": name,
            "images": images,
            "p50_ms": float(f"{np.median(values):.3g}"),
            "ns_per_mac": float(f"{np.median(values) * 1e6 / (products * images / BATCH):.3g}"),
            "ratio_to": "NumPy forward" if name == "loops" else f"TensorFlow {name.split()[1]}",
            "ratio": float(f"{np.median(ratios):.3g}"),
            "ratio_low": float(f"{ratios.min():.3g}"),
            "ratio_high": float(f"{ratios.max():.3g}"),
            "rounds": len(values),
        }
        rows.append(row)
        print(f"{name:22} {row['p50_ms']:9.4g} ms  {row['ns_per_mac']:8.3g} ns/MAC  {row['ratio']:8.4g} x")
    save_measured("conv", rows)


if __name__ == "__main__":
    main()
