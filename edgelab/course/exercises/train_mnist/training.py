"""Exercises of notebook 05: a network, its loss, its data."""

import numpy as np

from edgelab.course.exercises._cases import train_mnist as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise


@exercise(
    cases=cases.values_left,
    hint="Follow one side of the image: the convolution takes two pixels off it, the pooling halves the rest.",
    mistakes=[
        Mistake("(side - 2) // 2", "side // 2", "a 3×3 kernel without padding does not fit at the edge"),
        Mistake("(side - 2) // 2", "(side - 3) // 2", "a kernel of three fits n - 2 times into n pixels"),
        Mistake("(side - 2) // 2", "(side - 1) // 2", "pooling drops an odd last row, it does not round up"),
        Mistake("(side - 2) // 2", "(side - 2)", "the pooling is missing"),
        Mistake("(side - 2) // 2", "side // 2 - 2", "the convolution comes first, then the pooling"),
        Mistake("side * side * kernels[-1]", "side * side", "each channel has so many values"),
        Mistake("side * side * kernels[-1]", "side * kernels[-1]", "an image has two sides"),
        Mistake("kernels[-1]", "kernels[0]", "the last convolution makes the channels that are left"),
        Mistake("kernels[-1]", "sum(kernels)", "a layer's channels replace those before it, they do not add up"),
        Mistake(
            "kernels[-1]", "int(np.prod(kernels))", "a layer's channels replace those before it, they do not multiply"
        ),
        Mistake(
            BODY,
            "side = (side - 2) // 2\nreturn side * side * kernels[-1]",
            "each convolution makes the image smaller, not the first one alone",
        ),
        Mistake(
            BODY,
            "for _ in kernels:\n    side -= 2\nside //= 2\nreturn side * side * kernels[-1]",
            "there is a pooling after each convolution, not only at the end",
        ),
        Mistake("(side - 2) // 2", "round((side - 2) / 2)", "pooling drops an odd last row, it does not round up"),
    ],
    boundaries=[
        Boundary(lambda side, kernels: len(kernels) == 1, "look at a network of one convolution"),
        Boundary(lambda side, kernels: len(kernels) > 1, "it is right for one convolution, and wrong for several"),
    ],
)
def values_left(side: int, kernels: tuple[int, ...]) -> int:
    """Return how many values reach the first dense layer.

    side: of the square image. kernels: how many each 3×3 convolution has, one convolution or more, without padding,
    stride 1; each is followed by 2×2 pooling, which drops an odd last row and column.
    """
    for _ in kernels:
        side = (side - 2) // 2
    return side * side * kernels[-1]


@exercise(
    cases=cases.categorical_loss,
    hint="Print what is multiplied with the logarithms, for the labels 0 and 9. Which row should that be?",
    bug=("np.eye(10)[labels]", "labels[:, None]"),
    rtol=1e-5,  # some add 1e-7 to p before the logarithm, as Keras does
    mistakes=[
        Mistake("np.eye(10)[labels]", "np.eye(11)[labels][:, 1:]", "the first class is 0, not 1"),
        Mistake("np.eye(10)[labels]", "np.eye(10)[labels - 1]", "the first class is 0, not 1"),
        Mistake("-(one_hot", "(one_hot", "the logarithm of a probability is negative, a loss is not"),
        Mistake(".sum(axis=1).mean()", ".mean()", "the mean over all ten columns is a tenth of the loss of an image"),
        Mistake(".sum(axis=1).mean()", ".sum()", "a sum over the batch grows with the batch"),
        Mistake("np.log(probabilities)", "probabilities", "that is the probability, without its logarithm"),
        Mistake("np.log(prob", "np.log2(prob", "the logarithm is the natural one"),
        Mistake("np.log(prob", "np.log10(prob", "the logarithm is the natural one"),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "-np.log((one_hot * probabilities).sum(axis=1).mean())",
            "take the logarithm of each image's probability, then the mean",
        ),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "-np.log(probabilities.max(axis=1)).mean()",
            "that is the likeliest class; the right class is in labels",
        ),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "(1 - (one_hot * probabilities).sum(axis=1)).mean()",
            "the loss is the logarithm of the probability, not what is missing to 1",
        ),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "-(one_hot * np.log(probabilities) + (1 - one_hot) * np.log(1 - probabilities)).sum(axis=1).mean()",
            "that is the binary cross-entropy: here only the right class counts",
        ),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "-np.log(probabilities)[:, labels].mean()",
            "each image has one label: this reads all labels' columns in each row",
        ),
        Mistake(
            "-(one_hot * np.log(probabilities)).sum(axis=1).mean()",
            "-np.log(probabilities).sum(axis=1).mean()",
            "only the right class counts",
        ),
    ],
    boundaries=[Boundary(lambda p, labels: len(labels) > 1, "it is right for one image alone: look at the mean")],
)
def categorical_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -ln p of the right class, a probability p.

    probabilities: (n, 10), all above 0. labels: 0 to 9, (n,).
    """
    one_hot = np.eye(10)[labels]
    return float(-(one_hot * np.log(probabilities)).sum(axis=1).mean())


@exercise(
    cases=cases.steps_in_an_epoch,
    hint="Seven images in batches of three make 3 + 3 + 1.",
    mistakes=[
        Mistake("-(-images // batch_size)", "images // batch_size", "the last, smaller batch is a step too"),
        Mistake(
            "-(-images // batch_size)",
            "images // batch_size + 1",
            "where the division leaves no rest, no batch is added",
        ),
        Mistake("-(-images // batch_size)", "images / batch_size", "a part of a batch is a whole step"),
        Mistake(
            "-(-images // batch_size)",
            "round(images / batch_size)",
            "a part of a batch is a whole step, however small it is: round up, not to the nearest",
        ),
        Mistake("-(-images // batch_size)", "max(images // batch_size, 1)", "the last, smaller batch is a step too"),
        Mistake("-(-images // batch_size)", "images", "an epoch has a step for each batch, not for each image"),
        Mistake("-(-images // batch_size)", "-(-batch_size // images)", "divide the images by the size of a batch"),
        Mistake("-(-images // batch_size)", "images // batch_size + images % batch_size", "what is left is one batch"),
        Mistake("-(-images // batch_size)", "-(-images // (batch_size + 1))", "a batch has batch_size images"),
        Mistake("-(-images // batch_size)", "-(-images // batch_size) - 1", "the last, smaller batch is a step too"),
    ],
    boundaries=[
        Boundary(lambda images, batch_size: images % batch_size == 0, "look at divisions that leave no rest"),
        Boundary(lambda images, batch_size: images < batch_size, "a batch may be larger than all images together"),
        Boundary(lambda images, batch_size: images % batch_size > 0, "the last, smaller batch is a step too"),
    ],
)
def steps_in_an_epoch(images: int, batch_size: int) -> int:
    """Return how many steps the optimiser makes in one epoch. Each image is used; the last batch may be smaller."""
    return -(-images // batch_size)


@exercise(
    cases=cases.standardise,
    hint="A device sees one image at a time. Which mean does it know?",
    bug=("(test - mean) / std", "(test - test.mean()) / test.std()"),
    mistakes=[
        Mistake("(test - mean) / std", "(test - mean) / test.std()", "the scale of the test images is unknown as well"),
        Mistake(
            "(test - mean) / std",
            "(test - test.mean()) / std",
            "the device does not know the mean of all test images: use that of the training images",
        ),
        Mistake("(test - mean) / std", "test", "the network learns from standardised images, and reads others here"),
        Mistake("(test - mean) / std", "test - mean", "the test images are divided by the standard deviation as well"),
        Mistake("train.std()", "train.var()", "the standard deviation has the unit of a pixel, the variance has not"),
        Mistake("train.std()", "1.0", "the division by the standard deviation is missing"),
        Mistake("train.std()", "train.max()", "divide by the standard deviation, not by the largest value"),
        Mistake(
            "train.std()", "train.std(ddof=1)", "the standard deviation is that of np.std, divided by n, not n - 1"
        ),
        Mistake("train.mean(), train.std()", "0.0, train.std()", "the mean is to be subtracted"),
        Mistake(
            "train.mean(), train.std()",
            "train.mean(axis=0), train.std(axis=0)",
            "one mean and one standard deviation for all pixels are asked for, not one for each pixel",
        ),
        Mistake(
            BODY,
            "mean, std = train.mean(axis=(1, 2), keepdims=True), train.std(axis=(1, 2), keepdims=True)\n"
            "own = test.mean(axis=(1, 2), keepdims=True), test.std(axis=(1, 2), keepdims=True)\n"
            "return (train - mean) / std, (test - own[0]) / own[1]",
            "one mean and one standard deviation for all training images are asked for, not one for each image",
        ),
        Mistake(
            "mean, std = train.mean(), train.std()",
            "mean, std = np.concatenate([train, test]).mean(), np.concatenate([train, test]).std()",
            "the test images must not help to choose the numbers either",
        ),
    ],
)
def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Subtract the training images' mean from both, divide by their standard deviation, and return both. (n, h, w).

    One mean and one standard deviation (np.std) for all pixels of all training images.
    """
    mean, std = train.mean(), train.std()
    return (train - mean) / std, (test - mean) / std
