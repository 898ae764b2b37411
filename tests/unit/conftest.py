"""How many random examples tests try that don't say it themselves, and what no test may see of pytest."""

import os

import pytest
from hypothesis import settings

# Whatever else the profile says that holds already stays: whoever runs pytest may have loaded one.
settings.register_profile("many", settings(), max_examples=100)
settings.register_profile("few", settings(), max_examples=50)
settings.load_profile(os.environ.get("EDGELAB_EXAMPLES", "few"))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> None:
    """Take pytest's variable away: kernels and other processes inherit it, and ipykernel behaves otherwise under it."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)
