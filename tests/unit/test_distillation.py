"""Distillation: the loss is TensorFlow's, its gradient that of differences, and a student listens to its teacher."""

import numpy as np
import pytest
from _eager import eagerly
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelab.maths.nn import cross_entropy, numeric_gradient
from edgelab.shrink.compress.distillation import distil, distillation_grad, distillation_loss, distiller, soften

temperatures = st.floats(0.5, 20)
alphas = st.floats(0, 1)


def drawn(seed: int, n: int = 4, classes: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (n, classes)), rng.normal(0, 3, (n, classes)), rng.integers(0, classes, n)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), temperatures, alphas)
def test_the_gradient_is_that_of_differences(seed, temperature, alpha):
    student, teacher, y = drawn(seed)
    numeric = numeric_gradient(lambda z: distillation_loss(z, teacher, y, temperature, alpha), student)
    # The loss is up to T² × 60; its rounding, 1e-14 × T² × 60, over the step 6e-6 is below 1e-4 × T² / 400.
    scale = max(1.0, temperature**2)
    np.testing.assert_allclose(distillation_grad(student, teacher, y, temperature, alpha), numeric, atol=1e-7 * scale)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_tensorflow_computes_the_same_loss_and_gradient(temperature, alpha):
    """Written with TensorFlow's own losses, in float64: the T² that tutorials leave out would show."""
    import tensorflow as tf

    student, teacher, y = drawn(7, 32, 10)
    z = tf.Variable(student)
    with tf.GradientTape() as tape:
        target = tf.nn.softmax(teacher / temperature)
        soft = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, z / temperature))
        hard = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))
        loss = alpha * temperature**2 * soft + (1 - alpha) * hard
    # Rounding of float64 only.
    assert distillation_loss(student, teacher, y, temperature, alpha) == pytest.approx(float(loss), rel=1e-12)
    found = distillation_grad(student, teacher, y, temperature, alpha)
    np.testing.assert_allclose(found, tape.gradient(loss, z).numpy(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), temperatures)
def test_the_ends_of_alpha_are_the_two_losses(seed, temperature):
    student, teacher, y = drawn(seed)
    assert distillation_loss(student, teacher, y, temperature, 0.0) == pytest.approx(cross_entropy(student, y))
    p = soften(teacher, temperature)
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    # H(p, q) = H(p) + KL(p, q): least, and its gradient 0, where both agree.
    assert distillation_loss(teacher, teacher, y, temperature, 1.0) == pytest.approx(temperature**2 * entropy)
    assert distillation_loss(student, teacher, y, temperature, 1.0) >= temperature**2 * entropy - 1e-9
    np.testing.assert_allclose(distillation_grad(teacher, teacher, y, temperature, 1.0), 0, atol=1e-12)


def test_a_high_temperature_matches_logits():
    """Hinton et al. 2015, equation 4: T² times the gradient tends to (z − v) / classes for zero-meaned logits."""
    student, teacher, y = drawn(3)
    student, teacher = (z - z.mean(axis=1, keepdims=True) for z in (student, teacher))
    found = distillation_grad(student, teacher, y, temperature=1e4, alpha=1.0)
    # What is left out is of order max |z|² / T: 1e-2 of the whole.
    np.testing.assert_allclose(found, (student - teacher) / 5 / 4, atol=5e-3)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_softening_keeps_the_order_and_approaches_the_mean(temperature):
    logits = drawn(1)[0]
    p = soften(logits, temperature)
    np.testing.assert_array_equal(p.argsort(axis=1), logits.argsort(axis=1))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(soften(logits, 1e9), 0.2, atol=1e-8)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"temperature": 0.0}, ValueError, "temperature is 0.0"),
        ({"temperature": float("nan")}, ValueError, "temperature is nan"),
        ({"alpha": 1.5}, ValueError, "alpha is 1.5"),
        (
            {"teacher_logits": np.zeros((4, 6))},
            ValueError,
            r"student_logits has shape \(4, 5\), teacher_logits \(4, 6\)",
        ),
        ({"y": [0, 1, 2, 5]}, ValueError, r"y\[3\] is 5"),
        ({"y": [0.0, 1, 2, 3]}, TypeError, "y is float64"),
    ],
)
def test_what_does_not_fit_is_named(changes, error, says):
    student, teacher, y = drawn(0)
    given_ = {"student_logits": student, "teacher_logits": teacher, "y": y, **changes}
    for function in (distillation_loss, distillation_grad):
        with pytest.raises(error, match=says):
            function(**given_)


def network(units: int, last: str | None = None, size: int = 28):
    from keras import Input, Sequential, layers

    hidden = [layers.Dense(units, activation="relu"), layers.Dense(10, activation=last)]
    return Sequential([Input((size, size, 1)), layers.Flatten(), *hidden])


@pytest.fixture(scope="module")
def digits():
    from edgelab.data import load_mnist

    mnist = load_mnist()
    return mnist.x_train[:1200], mnist.y_train[:1200].astype(int)


def test_the_model_that_trains_has_this_loss(digits):
    """What Keras reports for a batch is what NumPy computes from both networks' logits."""
    import keras

    from edgelab.train.fitting.training import set_seed
    from edgelab.train.judging.evaluation import predict

    set_seed(1)
    student, teacher = network(16), network(32)
    x, y = digits[0][:100], digits[1][:100]
    model = distiller(student, teacher, temperature=3.0, alpha=0.7)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = model.evaluate(x[..., None].astype("float32") / 255, y, batch_size=100, verbose=0)
    expected = distillation_loss(predict(student, x), predict(teacher, x), y, 3.0, 0.7)
    assert found == pytest.approx(expected, rel=1e-5)  # float32
    with pytest.raises(ValueError, match="the teacher ends in softmax"):
        distiller(student, network(8, "softmax"))
    with pytest.raises(ValueError, match=r"the student maps \(28, 28, 1\) to \(10,\), the teacher \(20, 20, 1\)"):
        distiller(student, network(8, size=20))
    with pytest.raises(ValueError, match="alpha 2"):
        distiller(student, teacher, alpha=2)


def test_a_student_of_the_teacher_alone_learns_without_labels(digits):
    """Labels that are all wrong must not matter where the teacher has all the weight; and it stays as it was."""
    from edgelab.train.fitting.training import fit, set_seed
    from edgelab.train.judging.evaluation import predict

    set_seed(2)
    x, y = digits
    teacher, student = network(32), network(16)
    with eagerly():
        fit(teacher, x, y, epochs=8, progress=False)
    before = [w.copy() for w in teacher.get_weights()]
    # The next digit for each: every class is there, and every label wrong.
    how = {"epochs": 8, "learning_rate": 1e-2, "progress": False}
    history = distil(student, teacher, x, (y + 1) % 10, temperature=2.0, alpha=1.0, **how)
    assert all((a == b).all() for a, b in zip(before, teacher.get_weights(), strict=True))
    answers, taught = predict(student, x).argmax(axis=1), predict(teacher, x).argmax(axis=1)
    assert (answers == taught).mean() > 0.8  # chance is 0.1
    assert (answers == (y + 1) % 10).mean() < 0.1
    assert len(history["loss"]) == 8
