"""Working copies of the notebooks: a reader runs and changes these, and the clone stays clean."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from edgelab.artifacts import write_atomic

# In the folder of the copies: from which version of its notebook each was made.
RECORD = ".copies.json"


def refresh(notebooks: str | Path, copies: str | Path) -> str:
    """Copy each notebook that has no copy yet, or an unchanged copy of an older version; return what was done.

    notebooks, copies: folders; the second is made. JupyterLab rewrites a notebook when it opens it, so a copy
    counts as changed only when the text of its cells changed; outputs do not count. A changed copy is never
    touched. An unchanged copy whose notebook no longer exists is removed. Returns one line for the reader, and
    one more where a changed copy is behind. Raises OSError where the copies cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_atomic(Path(folder, "notebooks", "01_sum.ipynb"), '{"cells": []}')
    ...     print(refresh(path.parent, Path(folder, "work")))
    Your copies of the notebooks, to run and to change: work/ (1 new). Those in notebooks/ stay as they are.
    """
    notebooks, copies = Path(notebooks), Path(copies)
    record, new, renewed, behind = _read_record(copies), 0, 0, []
    originals = {path.name: path.read_bytes() for path in sorted(notebooks.glob("*.ipynb"))}
    for name, data in originals.items():
        copy, about = copies / name, {"notebook": hashlib.sha256(data).hexdigest(), "cells": _cells(data)}
        if copy.is_file():
            # A copy without a record is unchanged if it has the cells of the present notebook.
            known = record.get(name, {"cells": about["cells"]})
            # A file with the marks of a failed merge is not a newer version.
            if known.get("notebook") == about["notebook"] or about["cells"] is None:
                continue
            if _cells(copy.read_bytes()) != known["cells"]:
                if name in record and known["cells"] != about["cells"]:
                    behind.append(name)
                continue
            renewed += 1
        else:
            new += 1
        write_atomic(copy, data)
        record[name] = about
    for name in [name for name in record if name not in originals]:
        copy = copies / name
        if copy.is_file() and _cells(copy.read_bytes()) == record[name]["cells"]:
            copy.unlink()
        del record[name]
    text = json.dumps(record, indent=1) + "\n"
    if not (copies / RECORD).is_file() or (copies / RECORD).read_text(encoding="utf-8") != text:
        write_atomic(copies / RECORD, text)
    return _told(notebooks.name, copies.name, new, renewed, behind)


def _cells(data: bytes) -> str | None:
    """Return the SHA-256 of the types and texts of a notebook's cells, None for a file that is not a notebook."""
    try:
        cells = [[cell["cell_type"], "".join(cell["source"])] for cell in json.loads(data)["cells"]]
    except (ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def _read_record(copies: Path) -> dict[str, Mapping[str, str | None]]:
    """Return the record of the copies, empty where it is damaged."""
    try:
        record = json.loads((copies / RECORD).read_text(encoding="utf-8"))
        return {name: {key: about[key] for key in ("notebook", "cells")} for name, about in record.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _told(notebooks: str, copies: str, new: int, renewed: int, behind: list[str]) -> str:
    """Return the line for the reader, and the one on changed copies that are behind."""
    done = ", ".join(f"{count} {what}" for count, what in ((new, "new"), (renewed, "brought up to date")) if count)
    line = f"Your copies of the notebooks, to run and to change: {copies}/{f' ({done})' if done else ''}. "
    line += f"Those in {notebooks}/ stay as they are."
    if behind:
        line += f"\nYou changed {', '.join(behind)}, and {notebooks}/ has a newer version. To get it, rename your copy."
    return line
