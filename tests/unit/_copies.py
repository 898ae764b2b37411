"""Many copies out of the package: what they are made from is read once, not once a name."""

import contextlib
import functools
from collections.abc import Iterator

import pytest

from edgelab.course.copy import names, notice, select


@contextlib.contextmanager
def read_once() -> Iterator[None]:
    """Keep what the package's files say, as long as none of them is written to."""
    known = {
        names: ("definitions", "_files", "_passed_on", "_shortest"),
        notice: ("packages",),
        select: ("_read", "annotations_in"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for module, functions in known.items():
            for function in functions:
                patch.setattr(module, function, functools.cache(getattr(module, function)))
        yield
