"""Distillation: a small network learns the probabilities that a large one gives to all classes, besides the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgelab.maths.activations import softmax
from edgelab.maths.checks import check_labels, same_shape
from edgelab.maths.nn import cross_entropy, cross_entropy_grad
from edgelab.train.fitting.training import fit
from edgelab.train.structure import check_classifier

if TYPE_CHECKING:
    import keras

# Layers and operations that keep values as they are.
PASSING = ("reshape", "flatten", "dropout", "identity", "squeeze", "cast", "permute", "transpose", "expanddims")


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(logits / temperature): the higher the temperature, the larger the small probabilities.

    logits: (n, classes). temperature: above 0; at 1 it is softmax. Returns (n, classes), rows that add up to 1.
    Raises ValueError for a temperature out of range. Hinton, Vinyals and Dean 2015, section 2, equation 1.

    >>> soften(np.array([[4.0, 0.0]]), 1.0).round(3).tolist(), soften(np.array([[4.0, 0.0]]), 4.0).round(3).tolist()
    ([[0.982, 0.018]], [[0.731, 0.269]])
    """
    if not 0 < temperature < np.inf:
        raise ValueError(f"temperature is {temperature!r}; expected a number above 0, such as 4")
    return softmax(np.asarray(logits) / temperature)


def distillation_loss(
    student_logits: np.ndarray,
    teacher_logits: np.ndarray,
    y: np.ndarray,
    temperature: float = 4.0,
    alpha: float = 0.9,
) -> float:
    """Return alpha T² H(teacher, student, both softened by T) + (1 − alpha) H(labels, student).

    H: cross-entropy, mean over the batch, with natural logarithms. student_logits, teacher_logits: (n, classes). y: int
    (n,), the labels. temperature: T, above 0. alpha: weight of the teacher's part, 0 to 1. Gradients of softened
    targets shrink as 1/T²; the factor T² cancels that. Raises TypeError or ValueError for arguments out of range or
    arrays that do not fit. Hinton, Vinyals and Dean 2015, section 2.

    >>> student, teacher = np.array([[2.0, 0.0]]), np.array([[3.0, 1.0]])
    >>> round(distillation_loss(student, teacher, [0], temperature=1.0, alpha=1.0), 4)  # the entropy of either
    0.3653
    """
    student_logits, teacher_logits, y = check_distillation(student_logits, teacher_logits, y, alpha)
    soft = -(soften(teacher_logits, temperature) * log_softmax(student_logits / temperature)).sum(axis=1).mean()
    return float(alpha * temperature**2 * soft + (1 - alpha) * cross_entropy(student_logits, y))


def distillation_grad(
    student_logits: np.ndarray,
    teacher_logits: np.ndarray,
    y: np.ndarray,
    temperature: float = 4.0,
    alpha: float = 0.9,
) -> np.ndarray:
    """Return the gradient of `distillation_loss` by the student's logits.

    It is (alpha T (q − p) + (1 − alpha) (r − label)) / n. q, p: the softened probabilities of student and teacher; r:
    those of the student at T = 1; label: one-hot. For large T the first part tends to alpha (z − v) / classes, the
    difference of the centred logits of student and teacher. Returns (n, classes). Arguments and errors as for
    `distillation_loss`. Hinton, Vinyals and Dean 2015, section 2.1, equations 2 to 4.

    >>> distillation_grad(np.array([[2.0, 0.0]]), np.array([[3.0, 1.0]]), [0], alpha=1.0)
    array([[0., 0.]])
    """
    student_logits, teacher_logits, y = check_distillation(student_logits, teacher_logits, y, alpha)
    soft = temperature * (soften(student_logits, temperature) - soften(teacher_logits, temperature))
    return alpha * soft / len(y) + (1 - alpha) * cross_entropy_grad(student_logits, y)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last of two axes, without overflow.

    logits: float (n, classes). Returns float of that shape.

    >>> log_softmax(np.array([[0.0, 1000.0]])).tolist()
    [[-1000.0, 0.0]]
    """
    z = logits - logits.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def check_distillation(
    student_logits: np.ndarray, teacher_logits: np.ndarray, y: np.ndarray, alpha: float
) -> list[np.ndarray]:
    """Return both logits and the labels as arrays, after checking that they fit and that alpha is in range.

    student_logits, teacher_logits: float (n, classes). y: int (n,). alpha: weight of the teacher's part, 0 to 1. Raises
    TypeError or ValueError naming what does not fit.

    >>> [each.shape for each in check_distillation(np.zeros((2, 3)), np.ones((2, 3)), np.array([0, 2]), 0.5)]
    [(2, 3), (2, 3), (2,)]
    """
    student_logits, teacher_logits = same_shape(student_logits=student_logits, teacher_logits=teacher_logits)
    student_logits, y = check_labels(student_logits, y)
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha!r}; expected a number from 0 (labels only) to 1 (teacher only)")
    return [student_logits, teacher_logits, y]


def distiller(student: keras.Model, teacher: keras.Model, temperature: float = 4.0, alpha: float = 0.9) -> keras.Model:
    """Build a model of the student's own layers with the distillation loss: training it trains the student.

    student, teacher: Keras models from the same images to logits of the same classes. temperature, alpha: as for
    `distillation_loss`; the loss of the labels is the one that the model is compiled with. The teacher's logits are
    computed for each batch, because images may be moved; its weights do not change. Raises ValueError where shapes
    differ, a model ends in softmax or sigmoid (see `probabilities_of`), or a number is out of range. Hinton, Vinyals
    and Dean 2015, section 2.

    >>> from keras import Input, Sequential, layers
    >>> student, teacher = (Sequential([Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)]) for _ in range(2))
    >>> distiller(student, teacher).count_params()
    7850
    """
    import keras

    for model in (student, teacher):
        check_classifier(model)
    if student.input_shape[1:] != teacher.input_shape[1:] or student.output_shape[1:] != teacher.output_shape[1:]:
        raise ValueError(
            f"the student maps {student.input_shape[1:]} to {student.output_shape[1:]}, the teacher "
            f"{teacher.input_shape[1:]} to {teacher.output_shape[1:]}; expected the same shapes"
        )
    if not 0 < temperature < np.inf or not 0 <= alpha <= 1:
        raise ValueError(
            f"temperature is {temperature!r}, alpha {alpha!r}; expected temperature > 0, alpha from 0 to 1"
        )
    for name, model in {"student": student, "teacher": teacher}.items():
        found = probabilities_of(model)
        if found:
            raise ValueError(f"the {name} ends in {found}; expected logits. Give the model without it")

    class Distiller(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            hard = super().compute_loss(x, y, y_pred, sample_weight, training)
            target = keras.ops.softmax(teacher(x, training=False) / temperature)
            soft = keras.ops.categorical_crossentropy(target, y_pred / temperature, from_logits=True)
            return alpha * temperature**2 * keras.ops.mean(soft) + (1 - alpha) * hard

    return Distiller(student.inputs, student.outputs, name=student.name)


def probabilities_of(model: keras.Model) -> str:
    """Return what turns a model's logits into probabilities, such as "softmax", or "" for a model that ends in logits.

    model: Keras model with one input and one output (n, classes). Its last layers are looked at, also in inner models;
    and, as a layer of one's own may hide it, its answers to noise: those of softmax are positive and add up to 1.

    >>> from keras import Input, Sequential, layers
    >>> probabilities_of(Sequential([Input((4,)), layers.Dense(3), layers.Activation("softmax")]))
    'softmax'
    """
    tensor = model.outputs[0]
    while hasattr(tensor, "_keras_history"):
        operation, number, index = tensor._keras_history
        graph = getattr(operation, "_functional", None) or operation
        if hasattr(graph, "_run_through_graph"):
            tensor = graph.outputs[index]
            continue
        activation = getattr(operation, "activation", None) or operation
        does = getattr(activation, "__name__", type(activation).__name__).lower()
        if does in ("softmax", "sigmoid", "hard_sigmoid", "hardsigmoid", "sparsemax"):
            return does
        # These only pass values on, or move them.
        same = does == "linear" and type(operation).__name__ == "Activation"
        inputs = operation._inbound_nodes[number].input_tensors
        if len(inputs) != 1 or not (same or does in PASSING):
            break
        tensor = inputs[0]
    shape = [n or 32 for n in model.inputs[0].shape[1:]]
    noise = np.random.default_rng(0).random((4, *shape), np.float32)
    # Of large values, sigmoid answers only 0 and 1.
    few, large = (np.asarray(model(x, training=False), np.float32) for x in (noise, noise * np.float32(1e6)))
    if ((few > 0) & (few < 1)).all():
        if (np.abs(few.sum(axis=1) - 1) < 1e-2).all():  # rounding of float16 included
            return "softmax, or the like: its answers to noise add up to 1"
        if (np.isclose(large, 0, atol=1e-3) | np.isclose(large, 1, atol=1e-3)).all():
            return "sigmoid, or the like: its answers to noise lie between 0 and 1"
    return ""


def distil(
    student: keras.Model,
    teacher: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    temperature: float = 4.0,
    alpha: float = 0.9,
    **how: Any,
) -> dict[str, list[float]]:
    """Train a student on labels and a teacher's logits, with all options of `edgelab.train.fitting.fit`.

    student, teacher, temperature, alpha: as for `distiller`. x: uint8 (n, h, w) or (n, h, w, channels). y: int (n,).
    how: further arguments of `fit`, such as epochs, augment or callbacks. Returns its history, whose loss is the sum of
    both parts. Raises the errors of `distiller` and `fit`. Hinton, Vinyals and Dean 2015, section 3.

    >>> from keras import Input, Sequential, layers
    >>> student, teacher = (Sequential([Input((28, 28, 1)), layers.Flatten(), layers.Dense(2)]) for _ in range(2))
    >>> x = np.repeat(np.uint8([0, 255]), 50)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    >>> sorted(distil(student, teacher, x, np.repeat([0, 1], 50), epochs=1, progress=False))
    ['accuracy', 'loss', 'val_accuracy', 'val_loss']
    """
    return fit(distiller(student, teacher, temperature, alpha), x, y, **how)
