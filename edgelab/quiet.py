"""Hold back what libraries print, from Python and from C++."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what the block prints, from Python and from C++, and show it only when the block fails.

    Raises RuntimeError with the block's error and the last lines it printed. Check inputs before the block.

    >>> with quiet():
    ...     print("Saved artifact at …")
    """
    import logging

    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile("w+", buffering=1, encoding="utf-8", errors="replace") as held:
        saved = [os.dup(1), os.dup(2)]
        disabled = logging.root.manager.disable
        try:
            # File descriptors for the C++ side, sys.stdout for Python's (a notebook's is not descriptor 1).
            os.dup2(held.fileno(), 1)
            os.dup2(held.fileno(), 2)
            logging.disable(logging.WARNING)
            with contextlib.redirect_stdout(held), contextlib.redirect_stderr(held):
                yield
        except Exception as error:
            held.flush()
            held.seek(0)
            lines = held.read().strip().splitlines()[-15:]
            raise RuntimeError("\n".join([f"{type(error).__name__}: {error}", "It printed last:", *lines])) from error
        finally:
            logging.disable(disabled)
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


@contextlib.contextmanager
def without_info() -> Iterator[None]:
    """Drop LiteRT's "INFO: Created …" lines, which C++ writes to descriptor 2; let warnings and errors through.

    >>> with without_info():
    ...     written = os.write(2, b"INFO: Created a delegate.\\n")
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)
