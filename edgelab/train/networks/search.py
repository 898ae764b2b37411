"""A small architecture search: draw plans of light networks that fit a budget, and train the promising ones longest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from edgelab.train.networks.family import parse_plan


class PlanCost(NamedTuple):
    """What the network of a plan costs, computed without building it.

    params: Keras' count, BatchNorm's four per channel included. macs: multiply-accumulates of one image, convolutions
    and the dense layer only. bytes: int8 weights and int32 biases after folding BatchNorm.

    >>> PlanCost(4994, 410352, 5024).macs
    410352
    """

    params: int
    macs: int
    bytes: int


def plan_cost(plan: str, classes: int = 10) -> PlanCost:
    """Count parameters, multiply-accumulates and int8 bytes of `light(plan)` from the plan alone.

    plan: see `parse_plan`. Products with padding count, biases do not. Raises ValueError for text that is not a step,
    and for a plan whose layers shrink the image to nothing. Source: Howard et al. 2017 (MobileNet), section 3.1.

    >>> plan_cost("c8k5s2 c16 p c16 d32")
    PlanCost(params=4994, macs=410352, bytes=5024)
    """
    side, channels, weights, biases, plain, macs = 28, 1, 0, 0, 0, 0
    for kind, filters, size, stride in parse_plan(plan):
        if kind in "ps":  # the two without padding
            side -= size - 1
            if side < 1:
                raise ValueError(f"plan {plan!r} goes on until nothing of the image is left; remove a p or an s step")
        if kind == "p":
            side = -(-side // stride)
            continue
        layers = []  # side of the output, weights, outputs
        if kind == "m":
            layers.append((side, 3 * channels * channels, 3 * channels))
            channels *= 3
        side = -(-side // stride)
        if kind in "dms":
            layers.append((side, size * size * channels, channels))
            plain += channels if kind == "s" else 0
            size = 1
        layers.append((side, size * size * channels * filters, filters))
        macs += sum(s * s * w for s, w, _ in layers)
        weights += sum(w for _, w, _ in layers)
        biases += sum(outputs for _, _, outputs in layers)
        channels = filters
    dense = channels * classes
    # Keras counts gamma, beta, mean and variance; folded, they are one int32 bias of 4 bytes. A layer without BatchNorm
    # (plain) has no bias in Keras, but one of zeros in the file.
    params = weights + dense + 4 * (biases - plain) + classes
    return PlanCost(params, macs + dense, weights + dense + 4 * (biases + classes))


def sample_plan(rng: np.random.Generator, filters: Iterable[int] = (4, 8, 12, 16, 24, 32, 48)) -> str:
    """Draw a plan: a convolution of stride 2, up to two layers at 14×14, one to three at 7×7, filters never decreasing.

    Kinds, kernel sizes (3 or 5) and the step from 14×14 to 7×7 (pooling or a stride) are drawn uniformly; filters are
    drawn, then sorted: widths that grow with depth are better on average (Radosavovic et al. 2020, section 3.3).

    >>> sample_plan(np.random.default_rng(3))
    'c8k5s2 d8 c8 p d32k5'
    """
    early, late = rng.integers(0, 3), rng.integers(1, 4)
    stem, *widths = np.sort(rng.choice(list(filters), 1 + early + late))
    steps = [f"c{stem}{rng.choice(['', 'k5'])}s2"]
    for layer, width in enumerate(widths):
        step = f"{rng.choice(['c', 'd', 'm'])}{width}{rng.choice(['', 'k5'])}"
        if layer == early and rng.random() < 0.5:
            steps.append("p")
        elif layer == early:
            step += "s2"
        steps.append(step)
    return " ".join(steps)


def random_plans(
    n: int,
    max_bytes: float,
    max_macs: float,
    *,
    least: float = 0.0,
    seed: int = 0,
    filters: Iterable[int] = (4, 8, 12, 16, 24, 32, 48),
    draws: int = 20_000,
) -> list[str]:
    """Draw n different plans that fit a budget: draw plans and discard those that do not fit.

    max_bytes: of int8 weights. max_macs: of one image. least: the share of max_bytes that a plan must use, 0…1: within
    a budget, larger plans tend to be better (Lin et al. 2020, MCUNet, section 3.1). filters: see `sample_plan`. draws:
    the most plans to draw. Raises ValueError if no plan fits, or if the draws contain fewer than n that do; the message
    names the cost of the smallest plan.
    Source: Bergstra and Bengio 2012, section 2.

    >>> random_plans(2, max_bytes=4_000, max_macs=250_000)
    ['c4s2 c4k5 d8k5 d12k5s2 d16k5', 'c12s2 c16s2']
    """
    filters = sorted(filters)
    smallest = f"c{filters[0]}s2 d{filters[0]}s2"
    cost = plan_cost(smallest)
    budget = f"{max_bytes:,} bytes and {max_macs:,} MACs"
    needs = f"the smallest plan, {smallest!r}, takes {cost.bytes:,} bytes and {cost.macs:,} MACs"
    if n < 1 or not 0 <= least <= 1:
        raise ValueError(f"n is {n}, least {least}; expected one plan or more, and a share of the bytes from 0 to 1")
    if not (cost.bytes <= max_bytes and cost.macs <= max_macs):
        raise ValueError(f"no plan fits {budget}: {needs}. Raise the budget to that or more")
    rng = np.random.default_rng(seed)
    found: dict[str, PlanCost] = {}
    for _ in range(draws):
        plan = sample_plan(rng, filters)
        cost = plan_cost(plan)
        if least * max_bytes <= cost.bytes <= max_bytes and cost.macs <= max_macs:
            found[plan] = cost
        if len(found) == n:
            return list(found)
    raise ValueError(
        f"{draws:,} draws found {len(found)} of {n} different plans that fit {budget} and use {least:.0%} of the bytes "
        f"({needs}). Raise the budget or draws, ask for fewer plans, or lower least"
    )


class Trial(NamedTuple):
    """One plan, trained for some epochs.

    rung: 0 for the first, with the fewest epochs. score: validation accuracy, 0…1.

    >>> Trial(0, "c8s2 d16s2", 1, 0.9).score
    0.9
    """

    rung: int
    plan: str
    epochs: int
    score: float


def successive_halving(
    plans: Iterable[str], evaluate: Callable, epochs: int = 1, eta: int = 3, rungs: int = 99, trials: list | None = None
) -> list[Trial]:
    """Train all plans for few epochs, the best 1/eta of them for eta times as many, and so on while any are left.

    evaluate: (plan, epochs) -> validation accuracy after training from scratch; NaN ranks last. rungs: the most rungs
    to climb; 1 is random search. trials: a list that is filled trial by trial, so that an interrupted search can go on:
    a trial in it is not repeated. Returns trials. Raises ValueError if a plan is repeated; also if
    epochs, eta or rungs is too small.
    Sources: Jamieson and Talwalkar 2016, algorithm Successive Halving; Li et al. 2018 (Hyperband), section 2.

    >>> [(t.plan, t.epochs) for t in successive_halving(["a", "b", "c"], lambda plan, epochs: plan == "b")]
    [('a', 1), ('b', 1), ('c', 1), ('b', 3)]
    """
    plans, trials = check_search(plans, epochs, eta, rungs), [] if trials is None else trials
    for rung in range(rungs):
        scores = {t.plan: t.score for t in trials if (t.rung, t.epochs) == (rung, epochs)}
        for plan in plans:
            if plan not in scores:
                scores[plan] = float(evaluate(plan, epochs))
                trials.append(Trial(rung, plan, epochs, scores[plan]))
        plans.sort(key=lambda plan: np.nan_to_num(scores[plan], nan=-np.inf), reverse=True)  # keeps the order of equals
        plans, epochs = plans[: len(plans) // eta], epochs * eta
    return trials


def check_search(plans: Iterable[str], epochs: int, eta: int, rungs: int) -> list[str]:
    """Return the plans as a list; raise ValueError if two are equal, or if `successive_halving` can't use a number.

    >>> check_search(["a", "b"], epochs=1, eta=3, rungs=2)
    ['a', 'b']
    """
    plans = list(plans)
    if not 0 < len(plans) == len(set(plans)) or min(epochs, rungs, eta - 1) < 1:
        found = f"plans {plans}, epochs {epochs}, rungs {rungs}, eta {eta}"
        raise ValueError(f"{found}; expected plans that all differ, epochs and rungs from 1, eta from 2")
    return plans


def winner(trials: Iterable[Trial]) -> Trial:
    """Return the trial with the best score of the last rung, the first of equals; NaN ranks last.

    Raises ValueError if there is no trial.

    >>> winner([Trial(0, "a", 1, 0.8), Trial(0, "b", 1, 0.7), Trial(1, "a", 3, 0.75)]).score
    0.75
    """
    trials = list(trials)
    if not trials:
        raise ValueError("no trial to choose from; run successive_halving first")
    last = max(trial.rung for trial in trials)
    return max((t for t in trials if t.rung == last), key=lambda t: np.nan_to_num(t.score, nan=-np.inf))
