"""Exercises of notebook 02."""

import numpy as np

from edgelab.course.exercises.engine.check import Mistake, exercise


@exercise(
    cases=lambda rng: [
        ([784, 10],),
        ([784, 128, 10],),
        ([3, 1, 1],),
        *((rng.integers(1, 300, int(rng.integers(2, 6))).tolist(),) for _ in range(20)),
    ],
    hint="Draw one neuron of the second layer: how many arrows come in, and what else does it hold?",
    mistakes=[
        Mistake("(sizes[i - 1] + 1) * sizes[i]", "sizes[i - 1] * sizes[i]", "each neuron has a bias as well"),
        Mistake(
            "(sizes[i - 1] + 1) * sizes[i]",
            "sizes[i - 1] * (sizes[i] + 1)",
            "there is a bias for each output, not for each input",
        ),
        Mistake("(sizes[i - 1] + 1)", "(sizes[0] + 1)", "a layer reads the one just before it, not the image"),
        Mistake(
            "(sizes[i - 1] + 1) * sizes[i]",
            "sizes[i - 1] * sizes[i] + 1",
            "the bias is one number a neuron, not one a layer",
        ),
    ],
)
def parameters(sizes: list[int]) -> int:
    """Return how many parameters a network of dense layers has. sizes: of the input, then of each layer's output."""
    total = 0
    for i in range(1, len(sizes)):
        total += (sizes[i - 1] + 1) * sizes[i]
    return total


@exercise(
    cases=lambda rng: [
        (np.arange(1.0, 6.0), 1.0, 0.0),
        (np.array([0.0]), 1.0, 0.0),
        *((rng.normal(size=6), float(rng.normal()), float(rng.normal())) for _ in range(20)),
    ],
    hint="What should the neuron answer for a large positive sum? Put x = 10 into the formula, then into the code.",
    bug=("np.exp(-z)", "np.exp(z)"),
    mistakes=[
        Mistake("(1 + np.exp(-z))", "1 + np.exp(-z)", "without the brackets, 1 / 1 comes first"),
        Mistake("1 / (1 + np.exp(-z))", "np.tanh(z)", "tanh runs from -1 to 1, the sigmoid from 0 to 1"),
        Mistake("np.exp(-z)", "np.exp(-w * x + b)", "the minus belongs to the whole sum, the bias included"),
        Mistake("w * x + b", "w * (x + b)", "the bias is added after the weight was multiplied"),
        Mistake("w * x + b", "w * x", "the bias is lost"),
    ],
)
def neuron(x: np.ndarray, w: float, b: float) -> np.ndarray:
    """Return the answer of a sigmoid neuron to each of the inputs x, float (n,), with one weight and a bias."""
    z = w * x + b
    return 1 / (1 + np.exp(-z))


@exercise(
    cases=lambda rng: [
        (np.array([[0.0, 0.0]]),),
        (np.array([[2.0]]),),
        (np.array([[1000.0, 0.0], [-1000.0, 1000.0]]),),
        (np.array([[1000.0, 0.0], [0.0, -1000.0]]),),
        *((rng.normal(scale=5, size=(int(rng.integers(1, 8)), int(rng.integers(2, 12)))),) for _ in range(20)),
    ],
    hint="log(e^z / Σ e^z) is z minus a logarithm. Which one? And what may be subtracted from z without changing it?",
    mistakes=[
        Mistake(
            "z = logits - logits.max(axis=1, keepdims=True)",
            "z = logits",
            "exp(1000) is more than a float can hold: take the largest logit out first",
        ),
        Mistake(
            "logits.max(axis=1, keepdims=True)",
            "logits.max()",
            "in a row far below the batch's largest logit, every exp rounds to 0: each row has a largest of its own",
        ),
        Mistake(
            "return z - np.log",
            "return logits - np.log",
            "what is taken out of the logits in the sum must be taken out of the others as well",
        ),
        Mistake(
            "np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "np.log(np.exp(z).sum())",
            "the sum runs over the classes of one image, not over the whole batch",
        ),
        Mistake(
            "np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "np.log(np.exp(z).sum(axis=0, keepdims=True))",
            "the sum runs over the classes, axis 1, not over the images",
        ),
        Mistake(
            "z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)",
            "those are the probabilities themselves, without the logarithm",
        ),
        Mistake(
            "z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "np.log(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))",
            "a probability that rounds to 0 has the logarithm -inf: the logarithm cancels exp, so leave both out",
        ),
    ],
)
def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the logarithms of softmax(logits), finite for logits of any size. logits: float (n, classes)."""
    z = logits - logits.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@exercise(
    cases=lambda rng: [
        *(
            (rng.normal(size=(n, inputs)), rng.normal(size=(n, outputs)), rng.normal(size=(inputs, outputs)))
            for n, inputs, outputs in [(4, 3, 2), (1, 1, 1), (1, 3, 2), (5, 1, 3), (2, 2, 2), (6, 4, 5)]
        )
    ],
    hint="Print the shape of each gradient beside that of the weight it belongs to. NumPy stretches what is too small.",
    bug=("d.sum(axis=0)", "d.sum()"),
    mistakes=[
        Mistake("d.sum(axis=0)", "d.sum(axis=1)", "axis 1 are the outputs: each of them has a bias of its own"),
        Mistake("d.sum(axis=0)", "d.mean(axis=0)", "the mean over the batch is in d already, do not divide again"),
        Mistake("x.T @ d", "d.T @ x", "that is the transpose: weights are (inputs, outputs)"),
        Mistake("2 * (x @ w - y)", "2 * (y - x @ w)", "the sign: predictions that are too large must come down"),
        Mistake("2 * (x @ w - y)", "(x @ w - y)", "the derivative of a square brings down a factor 2"),
        Mistake(" / y.size", "", "the loss is a mean, over all elements"),
        Mistake(" / y.size", " / len(y)", "the mean runs over all elements: over the outputs as well as the samples"),
    ],
)
def linear_gradients(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dL/dw and dL/db at b = 0, for L the mean of (x w + b - y)² over all elements.

    x: (n, inputs). y: (n, outputs). w: (inputs, outputs).
    """
    d = 2 * (x @ w - y) / y.size
    return x.T @ d, d.sum(axis=0)


def _losses(rng: np.random.Generator) -> list[float]:
    """Return a validation loss that falls, turns and wavers."""
    epochs = np.arange(int(rng.integers(1, 25)))
    return np.round(1 + 0.01 * (epochs - 8) ** 2 + rng.normal(scale=0.1, size=len(epochs)), 3).tolist()


@exercise(
    cases=lambda rng: [
        ([5.0, 4.0, 3.0, 3.5, 3.2, 3.1, 2.0], 3),
        ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0, 2.5, 2.6], 2),
        ([1.0], 1),
        ([3.0, 2.0, 1.0], 2),
        ([2.0, 2.0, 2.0, 2.0], 2),
        *((_losses(rng), int(rng.integers(1, 5))) for _ in range(30)),
    ],
    hint="Go through the losses, keep the epoch of the best so far, and ask each time how long ago it was.",
    mistakes=[
        Mistake("epoch - kept >= patience", "epoch - kept > patience", "that waits for one epoch more than allowed"),
        Mistake("loss < losses[kept]", "loss <= losses[kept]", "an equal loss is no improvement"),
        Mistake(
            "loss < losses[kept]", "loss < losses[max(0, epoch - 1)]", "compare with the best so far, not with the last"
        ),
        Mistake(
            "epoch - kept >= patience",
            "sum(a >= min(losses[:i], default=np.inf) for i, a in enumerate(losses[: epoch + 1])) >= patience",
            "in a row: a new best starts the count again",
        ),
        Mistake("return kept", "return kept + 1", "epochs are counted from 0"),
        Mistake("return kept", "return epoch", "that is where training stops; the weights to keep are older"),
        Mistake("if epoch - kept >= patience:", "if False:", "nobody sees the epochs that training never reaches"),
    ],
)
def early_stopping(losses: list[float], patience: int) -> int:
    """Return the epoch whose weights are kept, counted from 0.

    losses: of validation, epoch by epoch. Training stops after `patience` epochs in a row without a new best.
    """
    kept = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[kept]:
            kept = epoch
        if epoch - kept >= patience:
            break
    return kept
