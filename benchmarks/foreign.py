"""Every .tflite of a folder: can the integer engine run it, and do its integers equal LiteRT's?

usage: python benchmarks/foreign.py [FOLDER]

Without FOLDER: the shipped models. Each file is read, inspected and compared in a process of its own with a time limit,
so that one file stops nothing. It prints a table and writes no result: the files are yours.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from edgelab.artifacts import models_folder

LIMIT = 120  # seconds a file, the start of Python included

CHILD = """
import json, sys
from edgelab.infer.comparison import compare_tflite
from edgelab.infer.inspection import inspect_tflite
from edgelab.infer.parity import RESOLVERS

path, found = sys.argv[1], {}
try:
    inspection = inspect_tflite(path)
    found["operators"] = len(inspection.parts)
    for runtime in RESOLVERS:
        if inspection.refusals[runtime]:
            found[runtime] = "refused: " + inspection.refusals[runtime]
            continue
        try:
            [each] = compare_tflite(path, runtimes=[runtime])
            found[runtime] = f"{each.differing} of {each.values} differ"
        except ValueError as error:
            found[runtime] = f"not compared: {error}"
except (ValueError, OSError) as error:
    found["error"] = str(error)
print(json.dumps(found))
"""


def look_at(path: Path) -> dict:
    """Return what the child process says of one file, or how it ended."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=False, timeout=LIMIT
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {LIMIT} s"}
    except (IndexError, ValueError):
        return {"error": f"the process ended with status {done.returncode}"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, help="searched with its subfolders; default: the shipped models"
    )
    folder = parser.parse_args(arguments).folder or models_folder()
    paths = sorted(folder.rglob("*.tflite"))
    if not paths:
        print(f"foreign.py: no .tflite in {folder}", file=sys.stderr)
        return 1
    counts = {"equal": 0, "differing": 0, "refused": 0, "not read": 0}
    for path in paths:
        found = look_at(path)
        print(path.relative_to(folder))
        if "error" in found:
            counts["not read"] += 1
            print(f"    {found['error'][:200]}")
            continue
        told = {name: text for name, text in found.items() if name != "operators"}
        for text in dict.fromkeys(told.values()):
            print(f"    {', '.join(n for n, t in told.items() if t == text)}: {text[:200]}")
        compared = [text for text in told.values() if text.endswith("differ")]
        wrong = [text for text in compared if not text.startswith("0 ")]
        counts["differing" if wrong else "equal" if compared else "refused"] += 1
    print(f"{len(paths)} files: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return int(counts["differing"] > 0)


if __name__ == "__main__":
    sys.exit(main())
