"""A start of Python's notebook libraries that takes a second less, for the processes that tests start."""

import os
from pathlib import Path


def light_start(folder: Path) -> dict[str, str]:
    """Return the environment for a process that reads notebooks: ours, and a second less to import nbformat.

    nbformat imports jsonschema, which compiles a grammar for a format of strings, IRI, if rfc3987_syntax is
    installed; no notebook's schema has that format. folder, of any name, gets a module that cannot be imported.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder in light_start(Path(folder))["PYTHONPATH"]
    True
    """
    folder.mkdir(exist_ok=True)
    (folder / "rfc3987_syntax.py").write_text("raise ImportError('left out')\n")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
