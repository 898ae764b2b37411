"""How many random examples tests try that don't say it themselves, which files begin, and what no test may see."""

import gc
import os

import numpy  # noqa: F401 (only the libraries that are loaded can be limited)
import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

# Whatever else the profile says that holds already stays: whoever runs pytest may have loaded one.
settings.register_profile("many", settings(), max_examples=100)
settings.register_profile("few", settings(), max_examples=50)
settings.load_profile(os.environ.get("EDGELAB_EXAMPLES", "few"))
# The threads of NumPy's matrix products wait for each other in busy loops: with one thread, small products take a fifth
# of the processor time. This holds in this process alone: what tests start runs as it does for readers.
threadpool_limits(1, user_api="blas")
# Building a network makes millions of objects, most of which stay: looking among them for garbage as often as Python
# does takes a sixth of the time.
gc.set_threshold(100_000, 20, 10)
# Files of many seconds, the longest first: no process that shares the files is left alone with one of them.
LONGEST = (
    "test_models",
    "test_paste",
    "test_widgets",
    "test_run",
    "test_blocks",
    "test_architecture",
    "test_tflite",
    "test_nbval_plugins",
    "test_cli",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, where several processes share them."""
    if hasattr(config, "workerinput"):
        rank = {name: number for number, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """Take pytest's variable away: kernels and other processes inherit it, and ipykernel behaves otherwise under it."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
