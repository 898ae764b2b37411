"""Exercises of notebook 06: which networks to keep, and what a search costs."""

import numpy as np

from edgelab.course.exercises._cases import light_networks as cases
from edgelab.course.exercises.engine.check import BODY, Boundary, Mistake, exercise


@exercise(
    cases=cases.on_the_frontier,
    hint="Follow the first case by hand: what is `best` when the last network is looked at?",
    bug=("            best = accuracies[i]", "        best = accuracies[i]"),
    mistakes=[
        Mistake(
            "accuracies[i] > best",
            "accuracies[i] >= best",
            "a larger network that is only as accurate as a smaller one is beaten by it",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "np.lexsort((accuracies, sizes))",
            "of two networks of one size, only the more accurate one is worth having",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            'np.argsort(sizes, kind="stable")',
            "of two networks of one size, only the more accurate one is worth having",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "range(len(sizes))",
            "the networks come in any order; begin with the smallest",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "np.argsort(-accuracies)",
            "the most accurate first leaves no other: begin with the smallest",
        ),
        Mistake(
            "np.lexsort((-accuracies, sizes))",
            "np.argsort(accuracies)",
            "that begins with the least accurate: begin with the smallest",
        ),
        Mistake("-1.0, []", "0.0, []", "the smallest network is on the frontier whatever its accuracy, 0 too"),
        Mistake("return kept", "return sorted(kept)", "the indices come in the order of the networks' sizes"),
        Mistake("return kept", "return kept[::-1]", "the smallest network comes first"),
        Mistake("kept.append(int(i))", "kept.append(sizes[i])", "the indices are asked for, not the sizes"),
        Mistake("kept.append(int(i))", "kept.append(accuracies[i])", "the indices are asked for, not the accuracies"),
        Mistake(
            BODY,
            "return sorted({int(np.argmin(sizes)), int(np.argmax(accuracies))}, key=lambda i: sizes[i])",
            "not only the ends of the frontier: all networks that no other beats",
        ),
        Mistake(
            BODY,
            "order = np.lexsort((-accuracies, sizes))\n"
            "return [int(i) for n, i in enumerate(order) if n == 0 or accuracies[i] > accuracies[order[n - 1]]]",
            "compare with the best of all smaller networks, not with the one just before",
        ),
        Mistake("if accuracies[i] > best:", "if True:", "a larger network must be more accurate than all smaller ones"),
        Mistake(
            BODY,
            "order = np.lexsort((-accuracies, sizes))\n"
            "return [int(i) for i in order if not ((sizes < sizes[i]) & (accuracies > accuracies[i])).any()]",
            "a network is also beaten by one that is equal in one of the two, and better in the other",
        ),
        Mistake(
            BODY,
            "order = np.lexsort((-accuracies, sizes))\n"
            "return [int(i) for i in order if not ((sizes <= sizes[i]) & (accuracies > accuracies[i])).any()]",
            "a larger network that is only as accurate as a smaller one is beaten by it",
        ),
    ],
    boundaries=[
        Boundary(lambda sizes, accuracies: len(set(sizes.tolist())) < len(sizes), "look at networks of the same size"),
        Boundary(
            lambda sizes, accuracies: len(set(accuracies.tolist())) < len(sizes),
            "look at networks of the same accuracy",
        ),
        Boundary(lambda sizes, accuracies: (np.diff(sizes) < 0).any(), "the networks come in any order"),
    ],
)
def on_the_frontier(sizes: np.ndarray, accuracies: np.ndarray) -> list[int]:
    """Return the indices of the networks on the frontier, smallest network first.

    A network is on it if no other network of its size or smaller is at least as accurate. accuracies: 0 to 1. No two
    networks are equal in both size and accuracy.
    """
    best, kept = -1.0, []
    for i in np.lexsort((-accuracies, sizes)):
        if accuracies[i] > best:
            kept.append(int(i))
            best = accuracies[i]
    return kept


@exercise(
    cases=cases.halving_epochs,
    hint="Write down two columns, rung by rung: how many plans are trained, and for how many epochs each.",
    mistakes=[
        Mistake("total += plans * epochs", "total += plans", "that counts the runs; each takes several epochs"),
        Mistake("total += plans * epochs", "total += epochs", "each plan of a rung is trained"),
        Mistake("epochs * eta", "epochs", "those that stay are trained for eta times as many epochs"),
        Mistake("epochs * eta", "epochs + eta", "those that stay are trained for eta times as many epochs"),
        Mistake("epochs * eta", "epochs + 1", "those that stay are trained for eta times as many epochs"),
        Mistake("epochs * eta", "epochs * 2", "those that stay are trained for eta times as many epochs"),
        Mistake("plans // eta,", "plans // 2,", "a share of 1/eta stays, not the half"),
        Mistake("while plans:", "while plans > 1:", "one that is left alone is trained once more, for longest"),
        Mistake("while plans:", "while plans >= eta:", "fewer than eta plans are trained as well, once more"),
        Mistake("plans // eta", "max(plans - eta, 0)", "a share of 1/eta stays; not all but eta"),
        Mistake("plans // eta", "plans - max(plans // eta, 1)", "a share of 1/eta stays; it is not a share that goes"),
        Mistake(
            "plans // eta",
            "(-(-plans // eta) if plans > 1 else 0)",
            "the number of plans that stay is rounded down, not up",
        ),
        Mistake("plans // eta", "(round(plans / eta) if plans > 1 else 0)", "the number that stays is rounded down"),
        Mistake(
            BODY,
            "total = before = 0\n"
            "while plans:\n"
            "    total += plans * (epochs - before)\n"
            "    plans, epochs, before = plans // eta, epochs * eta, epochs\n"
            "return total",
            "each rung trains from scratch: epochs of the rung before are not taken over",
        ),
        Mistake(BODY, "return plans * epochs", "that is the first rung alone"),
    ],
    boundaries=[
        Boundary(lambda plans, epochs, eta: plans == 1, "look at one plan alone: it is trained once"),
        Boundary(lambda plans, epochs, eta: plans < eta, "look at fewer plans than eta: they are trained once"),
        Boundary(lambda plans, epochs, eta: plans >= eta, "it is right for one rung, and wrong for several"),
    ],
)
def halving_epochs(plans: int, epochs: int, eta: int) -> int:
    """Return the number of epochs that successive halving trains in all.

    plans: at the start. epochs: for each plan in the first rung. eta: as in the text. Each rung trains from scratch.
    The number of plans that stay is rounded down, and the search ends when none stays.
    """
    total = 0
    while plans:
        total += plans * epochs
        plans, epochs = plans // eta, epochs * eta
    return total
