"""Networks written as one line: what a plan says is what stands in the network; anything else is refused by name."""

import keras
import numpy as np
import pytest
from _eager import eagerly
from _examples import examples
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edgelab.data import load_mnist
from edgelab.train.fitting.augmentation import Augment
from edgelab.train.networks import family
from edgelab.train.networks.family import Recipe, Step, light, parse_plan, train_recipe

STEPS = st.one_of(
    st.just(Step("p", 0, 2, 2)),
    st.builds(Step, st.sampled_from("cdms"), st.integers(1, 999), st.integers(1, 9), st.integers(1, 2)),
)


def written(step: Step, short: bool) -> str:
    """Write a step as a reader would: in full, or without what parse_plan assumes."""
    if step.kind == "p":
        return "p"
    size = "" if short and step.size == 3 else f"k{step.size}"
    stride = "" if short and step.stride == 1 else f"s{step.stride}"
    return f"{step.kind}{step.filters}{size}{stride}"


@given(st.lists(STEPS, min_size=1), st.booleans())
def test_a_plan_read_is_the_plan_written(steps, short):
    assert parse_plan("  ".join(written(step, short) for step in steps)) == steps


@pytest.mark.parametrize(
    "step",
    ["x8", "c", "8", "c0", "c08", "c-8", "c8k0", "c8k10", "c8s3", "c8s0", "c8s2k5", "p2", "C8", "c8k", "c8.5", "c8,c16",
     "c²", "c٣", "c1_0"],
)  # fmt: skip
def test_what_is_no_step_is_named(step):
    """Each of them could be read as something, and the network built would not be the one meant."""
    with pytest.raises(ValueError, match="is not a step; expected c, d, m or s with its filters") as error:
        parse_plan(f"c8 {step} p")
    assert repr(step) in str(error.value)


@pytest.mark.parametrize("plan", ["", "  "])
def test_an_empty_plan_is_refused(plan):
    with pytest.raises(ValueError, match="has no step; expected something like"):
        light(plan)


def weights(kind: str, before: int, filters: int, size: int) -> int:
    """Count a step's parameters by the papers' shapes, four BatchNorm numbers a channel included."""
    if kind == "p":
        return 0
    if kind == "c":
        return size**2 * before * filters + 4 * filters
    if kind == "s":
        return size**2 * before + before * filters + 4 * filters
    if kind == "d":
        return size**2 * before + 4 * before + before * filters + 4 * filters
    wide = 3 * before
    return before * wide + 4 * wide + size**2 * wide + 4 * wide + wide * filters + 4 * filters


@settings(max_examples=examples(15, 6), deadline=None)
@given(st.lists(STEPS.map(lambda step: step._replace(filters=step.filters % 20 + 1)), min_size=1, max_size=3))
@example([Step("s", 5, 9, 1), Step("s", 7, 4, 2), Step("p", 0, 2, 2)])
@example([Step("c", 5, 4, 2), Step("m", 7, 5, 2), Step("m", 7, 3, 1)])
@example([Step("p", 0, 2, 2), Step("d", 6, 5, 2), Step("p", 0, 2, 2)])
def test_a_network_has_the_parameters_and_the_output_of_its_plan(steps):
    side = 28
    for kind, _, size, stride in steps:
        side = -(-(side - (size - 1) * (kind in "ps")) // stride)
        assume(side > 0)  # what goes on without padding may leave nothing of the image
    model = light(" ".join(written(step, True) for step in steps), name="a_network", classes=7)
    before, expected = 1, 0
    for kind, filters, size, _ in steps:
        expected += weights(kind, before, filters, size)
        before = before if kind == "p" else filters
    assert model.count_params() == expected + 7 * before + 7
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 7)
    assert model.name == "a_network"


def test_each_letter_makes_its_layers():
    """In the order of the plan, with its strides: the side falls from 28 to 14, 14, 7, 4 and 2."""
    model = light("c8k5s2 c16 p d12s2 m12s2 m12")
    kinds = [type(layer).__name__ for layer in model.layers]
    assert [kinds.count(k) for k in ("Conv2D", "DepthwiseConv2D", "MaxPooling2D", "Add")] == [2 + 1 + 2 + 2, 3, 1, 1]
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert convolutions[0].kernel_size == (5, 5)
    assert [layer.output.shape[1:] for layer in convolutions[:3]] == [(14, 14, 8), (14, 14, 16), (4, 4, 12)]
    assert convolutions[-1].output.shape[1:] == (2, 2, 12)
    assert convolutions[3].output.shape[-1] == 36, "an inverted residual widens three times"


def test_it_ends_in_logits():
    logits = light("c4s2")(np.random.default_rng(0).random((5, 28, 28, 1), np.float32)).numpy()
    assert not np.allclose(logits.sum(axis=1), 1, atol=1e-3), "the output is probabilities; logits are agreed"


def test_a_recipe_is_trained_as_it_says(monkeypatch):
    """What is recorded beside an accuracy must be what was done: each number of a recipe reaches the training."""
    found = {}

    def fit(model, x, y, **how):
        found.update(how, model=model, x=x, y=y)
        return {"loss": [1.0]}

    monkeypatch.setattr(family, "fit", fit)
    recipe = Recipe("c4s2 d8", epochs=16, learning_rate=0.5, augment=Augment(rotation=0.1))
    x, y = np.zeros((3, 28, 28), np.uint8), np.arange(3)
    model, history = train_recipe(recipe, x, y, seed=7, name="mine", progress=False, callbacks=["one"])
    assert history == {"loss": [1.0]}
    assert found.pop("model") is model
    assert found.pop("x") is x
    assert found.pop("y") is y
    assert model.name == "mine"
    assert model.count_params() == light("c4s2 d8").count_params()
    assert found == {
        "epochs": 16,
        "learning_rate": 0.5,
        "warmup_epochs": 2.0,
        "weight_decay": 1e-3,
        "augment": Augment(rotation=0.1),
        "validation": 1 / 12,
        "seed": 7,
        "progress": False,
        "callbacks": ["one"],
    }


def test_same_seed_same_network_other_seed_another():
    """A row of the frontier is worth nothing when its run cannot be repeated."""
    mnist = load_mnist()
    x, y = mnist.x_train[:300], mnist.y_train[:300]

    def weights(seed):
        with eagerly():
            model, history = train_recipe(Recipe("c4k5s2", epochs=1), x, y, seed, progress=False)
        assert len(history["val_accuracy"]) == 1
        return np.concatenate([w.ravel() for w in model.get_weights()])

    first = weights(1)
    np.testing.assert_array_equal(weights(1), first)
    assert np.abs(weights(2) - first).max() > 1e-3
