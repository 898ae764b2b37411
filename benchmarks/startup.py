"""Start-up: seconds and memory that importing takes, each in a fresh process, against bare Python in the same run.

usage: python benchmarks/startup.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgelab.course.results.benchmarks import save_measured
from edgelab.deploy.bundle import write_bundle

IMPORTS = {
    "bare Python": "pass",
    "import edgelab": "import edgelab",
    "import numpy": "import numpy",
    "import edgelab.infer.runner": "import edgelab.infer.runner",
    "LiteRT, a Runner ready": (
        "from edgelab.artifacts import shipped; from edgelab.infer.runner import Runner; "
        "Runner(shipped('small_cnn_int8'))"
    ),
    "a bundle's first answer": (
        "import os, runpy, sys; os.environ['OPENBLAS_NUM_THREADS'] = '1'; sys.argv = ['run.py', 'page.pgm']\n"
        "try: runpy.run_path('bundle/run.py', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0"
    ),
    "import tensorflow": "import tensorflow",
}
ROUNDS = 7
# Wall time is taken outside, so that the interpreter's own start counts; memory inside, at its peak.
MEMORY = "\nimport psutil, json; print(json.dumps(getattr(psutil.Process().memory_info(), 'rss')))"


def start(program: str, folder: str) -> tuple[float, float]:
    """Return seconds and MB of one fresh process that runs the program in a folder with a bundle."""
    import time

    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=folder)
    seconds = time.perf_counter() - began
    words = [sys.executable, "-c", program + MEMORY]
    child = subprocess.run(words, check=True, capture_output=True, text=True, cwd=folder)
    return seconds, json.loads(child.stdout.splitlines()[-1]) / 1e6


def main() -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    with tempfile.TemporaryDirectory() as folder:
        write_bundle("small_cnn_int8", Path(folder) / "bundle")
        page = np.full((280, 280), 255, np.uint8)
        page[40:240, 120:160] = 0  # a black "1" on white paper
        (Path(folder) / "page.pgm").write_bytes(b"P5 280 280 255\n" + page.tobytes())
        for _ in range(ROUNDS):
            for name, program in IMPORTS.items():
                found[name].append(start(program, folder))
    bare = np.array(found["bare Python"])
    rows = []
    for name, values in found.items():
        over = np.median(np.array(values) - bare, axis=0)
        seconds, memory = np.median(values, axis=0)
        row = {
            "what": name,
            "seconds": round(float(seconds), 3),
            "seconds_over_bare": round(float(over[0]), 3) + 0.0,
            "memory_mb": round(float(memory), 1),
            "memory_mb_over_bare": round(float(over[1]), 1) + 0.0,
            "rounds": ROUNDS,
        }
        rows.append(row)
        print(f"{name:32} {row['seconds']:7.3f} s (+{row['seconds_over_bare']:.3f})  {row['memory_mb']:7.1f} MB")
    save_measured("startup", rows)


if __name__ == "__main__":
    main()
