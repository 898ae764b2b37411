"""Architecture search: what a plan costs, which plans fit a budget, and which of them the epochs are spent on."""

import itertools
import math

import numpy as np
import pytest
from _examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  it makes the next import possible
from sklearn.model_selection import HalvingGridSearchCV

from edgelab.train.costs.counting import count
from edgelab.train.networks.family import light, parse_plan
from edgelab.train.networks.search import (
    PlanCost,
    Trial,
    check_search,
    plan_cost,
    random_plans,
    sample_plan,
    successive_halving,
    winner,
)

step = st.builds(
    "{}{}{}{}".format,
    st.sampled_from("cdm"),
    st.integers(1, 40),
    st.sampled_from(["", "k1", "k2", "k3", "k4", "k5", "k7"]),
    st.sampled_from(["", "s1", "s2"]),
)
# At most two poolings, and an s in front alone: more would leave nothing of the image, which has its own test.
plans = st.builds(
    lambda front, steps, pools: " ".join(itertools.chain(front, steps[:1], ["p"] * pools, steps[1:])),
    st.sampled_from([(), ("s3",), ("s3k5", "s4k2"), ("s5k5s2",)]),
    st.lists(step, min_size=1, max_size=4),
    st.integers(0, 2),
)


@settings(max_examples=examples(60, 12), deadline=None)  # Keras takes 50 ms to build one
@given(plans)
@example("s3 c5k4s2 p m7k5s2 d9k2")
@example("s4k2 m6k3 p p m6k7 d5s2")
@example("s5k5s2 d8k5 p c4k7s2 m4k1s2")
@example("c8s2 m8 m8k5s2 d12k4s1")
def test_the_cost_of_a_plan_is_what_keras_counts(plan):
    """A layer forgotten in pure Python would let a plan over the budget, or keep a good one out."""
    model = light(plan)
    cost, keras = plan_cost(plan), count(model)
    assert cost.params == model.count_params() == keras.params
    assert cost.macs == keras.macs
    assert cost.bytes == keras.weight_bytes("int8")


@pytest.mark.parametrize("seed", range(12))
def test_the_cost_of_a_drawn_plan_is_what_keras_counts(seed):
    plan = sample_plan(np.random.default_rng(seed))
    keras = count(light(plan, classes=7))
    assert plan_cost(plan, classes=7) == PlanCost(keras.params, keras.macs, keras.weight_bytes("int8"))


def test_a_cost_counted_by_hand():
    """c4s2: 9 weights for each of 4 filters on 14×14; d8s2: 9 for each of 4 channels and 4 × 8 on 7×7; 8 × 10."""
    assert plan_cost("c4s2 d8s2").macs == 196 * 9 * 4 + 49 * (9 * 4 + 4 * 8) + 8 * 10


def test_a_plan_that_leaves_nothing_of_the_image_is_refused():
    """Keras refuses it too; a cost would be for a network that cannot be built."""
    for plan in ("c4 p p p p p", "p c4s2 p p p", "c4s2 p p s8k4"):
        with pytest.raises(ValueError, match="until nothing of the image is left"):
            plan_cost(plan)
        with pytest.raises(ValueError):  # noqa: PT011  the words are Keras'
            light(plan)
    with pytest.raises(ValueError, match="'x9' is not a step"):
        plan_cost("c4 x9")


@given(st.integers(0, 2**32 - 1))
def test_a_drawn_plan_lies_in_the_space(seed):
    """Stem of stride 2, one step from 14×14 to 7×7, one to three layers there, never narrower than before."""
    steps = parse_plan(sample_plan(np.random.default_rng(seed)))
    halves = [i for i, s in enumerate(steps) if s.stride == 2]
    assert halves[0] == 0
    assert len(halves) == 2
    assert halves[1] - 1 <= 2
    late = steps[halves[1] :] if steps[halves[1]].kind != "p" else steps[halves[1] + 1 :]
    assert 1 <= len(late) <= 3
    widths = [s.filters for s in steps if s.kind != "p"]
    assert widths == sorted(widths)
    assert {s.size for s in steps if s.kind != "p"} <= {3, 5}


def test_every_kind_of_plan_is_drawn():
    """A choice that is never made would leave half of the space out, without a sign."""
    rng = np.random.default_rng(0)
    drawn = [parse_plan(sample_plan(rng)) for _ in range(500)]
    assert {s.kind for steps in drawn for s in steps} == set("cdmp")
    assert {s.filters for steps in drawn for s in steps} == {0, 4, 8, 12, 16, 24, 32, 48}
    assert {(s.kind, s.size, s.stride) for steps in drawn for s in steps[1:]} == {
        *itertools.product("cdm", (3, 5), (1, 2)),
        ("p", 2, 2),
    }
    assert {s.size for steps in drawn for s in steps[:1]} == {3, 5}


def test_nothing_in_the_space_is_cheaper_than_the_smallest_that_errors_name():
    """All plans of one layer after the stem; each further or wider layer adds to both costs."""
    smallest = plan_cost("c4s2 d4s2")
    for stem, kind, width, size in itertools.product(("c4s2", "c4k5s2", "c8s2"), "cdm", (4, 8), ("", "k5")):
        for cost in (plan_cost(f"{stem} {kind}{width}{size}s2"), plan_cost(f"{stem} p {kind}{width}{size}")):
            assert cost.bytes >= smallest.bytes
            assert cost.macs >= smallest.macs
    for plan in ("c4s2 d4 d4s2", "c4s2 d4s2 d4"):
        assert plan_cost(plan).bytes > smallest.bytes
        assert plan_cost(plan).macs > smallest.macs


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(2_000, 20_000), st.integers(100_000, 2_000_000), st.integers(0, 99))
def test_random_plans_fit_differ_and_come_again(n, max_bytes, max_macs, seed):
    found = random_plans(n, max_bytes, max_macs, seed=seed)
    assert len(found) == len(set(found)) == n
    assert all(plan_cost(plan).bytes <= max_bytes and plan_cost(plan).macs <= max_macs for plan in found)
    assert found == random_plans(n, max_bytes, max_macs, seed=seed)
    assert found[: n // 2] == (random_plans(n // 2, max_bytes, max_macs, seed=seed) if n > 1 else [])


def test_least_keeps_out_plans_that_leave_the_budget_unused():
    found = random_plans(10, 4_000, 250_000, least=0.5)
    assert all(2_000 <= plan_cost(plan).bytes <= 4_000 for plan in found)


def test_another_seed_and_other_filters_give_other_plans():
    assert random_plans(5, 4_000, 250_000, seed=1) != random_plans(5, 4_000, 250_000, seed=2)
    widths = {s.filters for plan in random_plans(9, 4_000, 250_000, filters=(6, 3)) for s in parse_plan(plan)}
    assert widths <= {0, 3, 6}


@pytest.mark.parametrize("budget", [(0, 10**6), (10**6, 0), (-1, -1), (215, 9_644), (216, 9_643), (math.nan, 10**6)])
def test_an_impossible_budget_says_what_the_smallest_costs(budget):
    """The smallest plan takes 216 bytes and 9,644 MACs; drawing for ever would be the alternative."""
    with pytest.raises(ValueError, match=r"no plan fits .*: the smallest plan, 'c4s2 d4s2', takes 216 bytes and 9,644"):
        random_plans(1, *budget)


def test_a_budget_for_fewer_plans_than_asked_for_ends():
    """Just the smallest plan, in its two spellings, fits: a search without an end would draw on."""
    assert sorted(random_plans(2, 216, 9_644, filters=[4])) == ["c4s2 d4s2", "c4s2 p d4"]
    with pytest.raises(ValueError, match=r"500 draws found \d of 3 different plans that fit 216 bytes and 9,644 MACs"):
        random_plans(3, 216, 9_644, filters=[4], draws=500)
    with pytest.raises(ValueError, match=r"found 0 of 1 .* use 100% of the bytes .*lower least"):
        random_plans(1, 10**9, 10**9, least=1, draws=10)


@pytest.mark.parametrize(("n", "least"), [(0, 0), (-3, 0), (1, 1.5), (1, -0.1), (1, math.nan)])
def test_senseless_numbers_are_refused(n, least):
    with pytest.raises(ValueError, match=f"n is {n}, least {least}; expected one plan or more"):
        random_plans(n, 4_000, 250_000, least=least)


class Lookup(BaseEstimator):
    """An estimator of scikit-learn whose score is read from a table, by plan and epochs."""

    def __init__(self, table=None, plan=0, epochs=1):
        self.table, self.plan, self.epochs = table, plan, epochs

    def fit(self, x, y):
        return self

    def score(self, x, y):
        return self.table[self.plan, round(math.log(self.epochs, self.table.shape[0] ** (1 / 3)))]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("eta", [2, 3])
def test_the_same_plans_survive_as_in_scikit_learn(eta, seed):
    """Numbers of plans that eta divides: with others, scikit-learn rounds up where the papers round down."""
    n = eta**3
    table = np.random.default_rng(seed).random((n, 4))
    ours = successive_halving(list(range(n)), lambda plan, epochs: table[plan, round(math.log(epochs, eta))], eta=eta)
    theirs = HalvingGridSearchCV(
        Lookup(table), {"plan": range(n)}, factor=eta, resource="epochs", min_resources=1, max_resources=n, cv=2
    ).fit(np.zeros((4, 1)), [0, 1, 0, 1])
    results = theirs.cv_results_
    found = zip(results["iter"], results["param_plan"], results["n_resources"], strict=True)
    assert {(t.rung, t.plan, t.epochs) for t in ours} == set(found)
    assert len(ours) == n + n // eta + n // eta**2 + 1
    assert winner(ours).plan == theirs.best_params_["plan"]


def problem(rng, n, noise):
    """Plans 0…n-1 with a true accuracy each; what e epochs show of it is off by at most noise / e."""
    true, off = rng.permutation(n) / n, rng.uniform(-1, 1, (n, 30))
    return true, lambda plan, epochs: true[plan] + noise / epochs * off[plan, epochs]


@given(st.integers(1, 40), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_it_finds_what_brute_force_finds_where_noise_is_smaller_than_the_gaps(n, eta, seed):
    """True accuracies lie 1 / n apart, so noise below half of that cannot swap two."""
    true, evaluate = problem(np.random.default_rng(seed), n, 0.49 / n)
    trials = successive_halving(range(n), lambda plan, epochs: evaluate(plan, min(epochs, 29)), eta=eta)
    assert winner(trials).plan == max(range(n), key=lambda plan: evaluate(plan, 29)) == int(np.argmax(true))


def test_for_the_same_epochs_it_finds_better_plans_than_random_search():
    """What it is for: 27 plans, 81 epochs each way; noise of one epoch as large as a third of all differences.

    Means over 400 problems. The difference of two regrets has a spread of about 0.08, so its mean one of 0.004: a gain
    of 0.02, five times that, is not chance.
    """
    rng, regrets = np.random.default_rng(0), []
    for _ in range(400):
        true, evaluate = problem(rng, 27, 0.3)
        halving = successive_halving(range(27), evaluate, rungs=3)
        search = successive_halving(range(9), evaluate, epochs=9, rungs=1)
        assert sum(t.epochs for t in halving) == sum(t.epochs for t in search) == 81
        regrets.append([true.max() - true[winner(trials).plan] for trials in (halving, search)])
    halving, search = np.mean(regrets, axis=0)
    assert halving < search - 0.02


def test_where_one_epoch_tells_nothing_it_is_no_better_than_luck():
    """A first rung that ranks backwards throws the best away: the bet can be lost, and the history shows it."""
    trials = successive_halving(range(9), lambda plan, epochs: plan if epochs > 1 else -plan)
    assert [t.plan for t in trials if t.rung == 1] == [0, 1, 2]
    assert winner(trials).plan == 2


def test_rungs_epochs_and_their_sum():
    """18 plans for 1 epoch, 6 for 3, 2 for 9; two thirds of a plan are none."""
    trials = successive_halving([f"c{i}" for i in range(1, 19)], lambda plan, epochs: 0.5)
    assert [(t.rung, t.epochs) for t in trials] == [(0, 1)] * 18 + [(1, 3)] * 6 + [(2, 9)] * 2
    assert successive_halving(["a", "b"], lambda plan, epochs: epochs, epochs=7, rungs=1) == [
        Trial(0, "a", 7, 7.0),
        Trial(0, "b", 7, 7.0),
    ]


def test_equals_keep_their_order():
    """Ties are common at 5,000 images; an order that changes from run to run could not be resumed."""
    assert [t.plan for t in successive_halving("dcba", lambda plan, epochs: 1, eta=2)] == list("dcba") + list("dc") + [
        "d"
    ]
    ahead = successive_halving("abcd", lambda plan, epochs: plan == "c" if epochs == 1 else 1, eta=2)
    assert [t.plan for t in ahead] == ["a", "b", "c", "d", "c", "a", "c"]
    assert winner([Trial(0, "x", 1, 0.5), Trial(0, "y", 1, 0.5)]).plan == "x"


def test_nan_is_the_worst():
    """A training that diverged has no accuracy; sorted naively, nan may end up anywhere."""
    for order in itertools.permutations("abcd"):
        trials = successive_halving(order, lambda plan, epochs: math.nan if plan in "ab" else "abcd".index(plan), eta=2)
        assert [t.plan for t in trials if t.rung > 0] == ["d", "c", "d"]
        assert winner(trials).plan == "d"
        assert winner([t for t in trials if t.rung == 0]).plan == "d"
    assert winner(successive_halving("ab", lambda plan, epochs: math.nan, eta=2)).plan == "a"


@given(st.integers(0, 12))
def test_an_interrupted_search_keeps_what_is_finished_and_goes_on(stop):
    """Ctrl-C after minutes of training must not cost them."""
    evaluate = {plan: plan * 7 % 9 for plan in range(9)}
    whole = successive_halving(range(9), lambda plan, epochs: evaluate[plan])
    trials, calls = [], []

    def interrupted(plan, epochs):
        if len(calls) == stop:
            raise KeyboardInterrupt
        calls.append(plan)
        return evaluate[plan]

    with pytest.raises(KeyboardInterrupt):
        successive_halving(range(9), interrupted, trials=trials)
    assert trials == whole[:stop]
    again = successive_halving(range(9), lambda plan, epochs: calls.append(plan) or evaluate[plan], trials=trials)
    assert again is trials
    assert again == whole
    assert len(calls) == len(whole), "something was trained twice"


def test_trials_of_other_epochs_do_not_count_as_done():
    trials = successive_halving(["a"], lambda plan, epochs: epochs, rungs=1)
    successive_halving(["a"], lambda plan, epochs: epochs, epochs=5, rungs=1, trials=trials)
    assert [t.score for t in trials] == [1, 5]


@pytest.mark.parametrize(
    "wrong", [{"plans": []}, {"plans": ["a", "a"]}, {"epochs": 0}, {"eta": 1}, {"rungs": 0}, {"rungs": -1}]
)
def test_a_search_without_sense_is_refused(wrong):
    """eta 1 would never drop a plan, and never end."""
    with pytest.raises(ValueError, match="expected plans that all differ, epochs and rungs from 1, eta from 2"):
        successive_halving(**{"plans": ["a"], "evaluate": lambda plan, epochs: 1, **wrong})


def test_without_a_trial_there_is_no_winner():
    with pytest.raises(ValueError, match="no trial to choose from"):
        winner([])


def test_a_search_that_makes_sense_passes():
    """Plans may come from a generator, which can be read once."""
    assert check_search((plan for plan in "ab"), epochs=1, eta=2, rungs=1) == ["a", "b"]
