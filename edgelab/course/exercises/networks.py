"""Exercises of notebook 02."""

import numpy as np

from edgelab.course.exercises._cases import networks as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise

TERM = "(sizes[i - 1] + 1) * sizes[i]"


@exercise(
    cases=cases.parameters,
    hint="Draw one neuron of the second layer: how many arrows come in, and what else does it hold?",
    mistakes=[
        Mistake(TERM, "sizes[i - 1] * sizes[i]", "each neuron has a bias as well"),
        Mistake(TERM, "sizes[i - 1] * (sizes[i] + 1)", "there is a bias for each output, not for each input"),
        Mistake("(sizes[i - 1] + 1)", "(sizes[0] + 1)", "a layer reads the layer just before it, not the image"),
        Mistake(TERM, "sizes[i - 1] * sizes[i] + 1", "a layer has a bias for each of its neurons, not one for all"),
        Mistake(
            TERM,
            "sizes[i - 1] * sizes[i] + sizes[i] * (i < len(sizes) - 1)",
            "the neurons of the last layer have biases",
        ),
        Mistake("total = 0", "total = sizes[0]", "the inputs are no neurons: they have no biases"),
        Mistake("len(sizes)):", "len(sizes) - 1):", "the last layer has parameters, too"),
        Mistake("range(1,", "range(2,", "the first layer has parameters, too"),
        Mistake(BODY, "return sum(sizes[1:])", "those are the neurons: count the weights of each, and its bias"),
        Mistake(BODY, "return sum(sizes)", "those are the values in the layers, not the weights between them"),
        Mistake(
            BODY,
            "return int(np.prod(sizes))",
            "each layer is connected with the next one only: the layers' weights are added",
        ),
    ],
    boundaries=[
        Boundary(lambda sizes: len(sizes) == 2, "look at a network of one layer"),
        Boundary(lambda sizes: len(sizes) > 2, "it is right for one layer, and wrong for several"),
    ],
)
def parameters(sizes: list[int]) -> int:
    """Return how many parameters a network of dense layers has. sizes: of the input, then of each layer's output."""
    total = 0
    for i in range(1, len(sizes)):
        total += (sizes[i - 1] + 1) * sizes[i]
    return total


@exercise(
    cases=cases.neuron,
    hint="What should the neuron return for a large positive sum? Put x = 10 into the formula, then into the code.",
    bug=("np.exp(-z)", "np.exp(z)"),
    mistakes=[
        Mistake("(1 + np.exp(-z))", "1 + np.exp(-z)", "without the brackets, 1 / 1 comes first"),
        Mistake("1 / (1 + np.exp(-z))", "np.tanh(z)", "tanh runs from -1 to 1, the sigmoid from 0 to 1"),
        Mistake(
            "np.exp(-z)",
            "np.exp(-w * x + b)",
            "the sign of the bias is wrong: the minus belongs to the whole sum, the bias included",
        ),
        Mistake("w * x + b", "w * (x + b)", "the bias is added after the weight was multiplied"),
        Mistake("w * x + b", "w * x", "the bias is missing"),
        Mistake(
            BODY, "return 1 / (1 + np.exp(-w * x)) + b", "the bias is added before the sigmoid: the result is 0 to 1"
        ),
        Mistake("w * x + b", "x + b", "the weight is missing"),
        Mistake("1 / (1 + np.exp(-z))", "z", "the sum must go through the sigmoid"),
        Mistake("1 / (1 + np.exp(-z))", "np.maximum(z, 0)", "that is a ReLU, not a sigmoid"),
        Mistake("1 / (1 + np.exp(-z))", "1 / (1 - np.exp(-z))", "the sigmoid adds the power of e to 1"),
        Mistake("(1 + np.exp(-z))", "np.exp(-z)", "the 1 below the line is missing"),
    ],
)
def neuron(x: np.ndarray, w: float, b: float) -> np.ndarray:
    """Return what a sigmoid neuron with one weight w and a bias b makes of each of the inputs x: float (n,) to (n,)."""
    z = w * x + b
    return 1 / (1 + np.exp(-z))


@exercise(
    cases=cases.log_probabilities,
    hint="log(e^z / Σ e^z) is z minus a logarithm. Which one? And what may be subtracted from z without changing it?",
    mistakes=[
        Mistake(
            "z = logits - logits.max(axis=1, keepdims=True)",
            "z = logits",
            "exp(1000) is more than a float can hold: subtract the largest logit first",
        ),
        Mistake(
            "logits.max(axis=1, keepdims=True)",
            "logits.max()",
            "in a row far below the batch's largest logit, every exp rounds to 0: subtract each row's own maximum",
        ),
        Mistake(
            "return z - np.log",
            "return logits - np.log",
            "what is subtracted inside the sum must be subtracted from the logits outside it as well",
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
        Mistake(
            BODY,
            "e = np.exp(logits - logits.max(axis=1, keepdims=True))\nreturn np.log2(e / e.sum(axis=1, keepdims=True))",
            "the logarithm is the natural one",
        ),
        Mistake(
            BODY,
            "e = np.exp(logits - logits.max(axis=1, keepdims=True))\nreturn np.log10(e / e.sum(axis=1, keepdims=True))",
            "the logarithm is the natural one",
        ),
        Mistake(
            "return z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "return z - np.exp(z).sum(axis=1, keepdims=True)",
            "the sum of the powers of e needs its logarithm",
        ),
        Mistake(
            "return z - np.log(np.exp(z).sum(axis=1, keepdims=True))",
            "return z",
            "subtracting the maximum is not all: softmax divides by a sum",
        ),
    ],
    boundaries=[
        Boundary(
            lambda logits: np.ptp(logits, axis=1).max() > 600,
            "a probability far below the largest one rounds to 0, and its logarithm is lost",
        ),
        Boundary(
            lambda logits: np.abs(logits).max() > 600,
            "exp of a large logit is more than a float can hold, that of a very small one is 0",
        ),
        Boundary(
            lambda logits: np.ptp(logits, axis=1).max() > 3.5,
            "small probabilities are cut off or shifted: their logarithms must be exact, however small they are",
        ),
        Boundary(lambda logits: len(logits) > 1, "it is right for one image alone: the images of a batch are mixed up"),
    ],
)
def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the natural logarithms of softmax(logits), exact and finite for logits of any size: (n, classes)."""
    z = logits - logits.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@exercise(
    cases=cases.linear_gradients,
    hint="Print the shape of each gradient beside that of the weight it belongs to. NumPy stretches what is too small.",
    bug=("d.sum(axis=0)", "d.sum()"),
    mistakes=[
        Mistake("d.sum(axis=0)", "d.sum(axis=1)", "axis 1 are the outputs: each of them has a bias of its own"),
        Mistake("d.sum(axis=0)", "d.mean(axis=0)", "d holds the mean over the batch already: do not divide again"),
        Mistake("d.sum(axis=0)", "d", "the bias is the same for all samples of the batch: add up their gradients"),
        Mistake("x.T @ d", "d.T @ x", "that is the transpose: weights are (inputs, outputs)"),
        Mistake("x.T @ d,", "x.T @ d / len(x),", "d holds the mean over the batch already: do not divide again"),
        Mistake(
            "2 * (x @ w - y)", "2 * (y - x @ w)", "the sign: a prediction that is too large needs a smaller weight"
        ),
        Mistake("2 * (x @ w - y)", "(x @ w - y)", "the derivative of a square has a factor 2"),
        Mistake(" / y.size", "", "the loss is a mean, over all elements"),
        Mistake(" / y.size", " / len(y)", "the mean runs over all elements: over the outputs as well as the samples"),
        Mistake(
            " / y.size", " / y.shape[1]", "the mean runs over all elements: over the samples as well as the outputs"
        ),
        Mistake(
            "2 * (x @ w - y) / y.size", "(x @ w - y) / len(y)", "look at the factor 2, and at what the mean runs over"
        ),
        Mistake(
            "(x @ w - y)", "(x @ w - y) ** 2", "that is the loss itself; its derivative has the error, not its square"
        ),
    ],
    boundaries=[
        Boundary(lambda x, y, w: y.shape[1] > 1, "it is right for one output: with several, look at sums and counts"),
        Boundary(lambda x, y, w: len(x) > 1, "it is right for one sample: with several, look at sums and counts"),
    ],
)
def linear_gradients(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dL/dw and dL/db at b = 0, for L the mean of (x w + b - y)² over all elements.

    x: (n, inputs). y: (n, outputs). w: (inputs, outputs). dL/dw has the shape of w, dL/db is (outputs,).
    """
    d = 2 * (x @ w - y) / y.size
    return x.T @ d, d.sum(axis=0)


@exercise(
    cases=cases.early_stopping,
    hint="Go through the losses, keep the epoch of the best so far, and count at each epoch how long ago it was.",
    mistakes=[
        Mistake("epoch - kept >= patience", "epoch - kept > patience", "that waits for one epoch more than allowed"),
        Mistake("epoch - kept >= patience", "epoch - kept >= patience - 1", "that stops one epoch too early"),
        Mistake("loss < losses[kept]", "loss <= losses[kept]", "an equal loss is no new best"),
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
        Mistake("return kept", "return epoch - patience", "training may also end because the losses end"),
        Mistake("return kept", "return losses[kept]", "that is the loss; its epoch is asked for"),
        Mistake("if epoch - kept >= patience:", "if False:", "training stops before it reaches a later and lower loss"),
        Mistake(
            BODY,
            "best = min(losses)\nreturn len(losses) - 1 - losses[::-1].index(best)",
            "training stops after some epochs without a new best; and of equal losses the first is the best",
        ),
    ],
    boundaries=[
        Boundary(lambda losses, patience: len(set(losses)) < len(losses), "an equal loss is no new best"),
        Boundary(lambda losses, patience: patience == 1, "look at a patience of 1"),
        Boundary(lambda losses, patience: len(losses) <= patience, "training may end before the patience does"),
    ],
)
def early_stopping(losses: list[float], patience: int) -> int:
    """Return the epoch whose weights are kept: that of the lowest loss until training stops, counted from 0.

    losses: of validation, epoch by epoch. Training stops after `patience` epochs in a row without a new best, or when
    the losses end. A new best is lower than all losses before it.
    """
    kept = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[kept]:
            kept = epoch
        if epoch - kept >= patience:
            break
    return kept
