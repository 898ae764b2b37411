"""Whatever pytest is asked to run from this clone, a notebook among it is held to its budget, its exercises tried."""

pytest_plugins = ["tests.nbval_budget", "tests.nbval_exercises"]
