"""The whole course as `make run` executes it: the rows of its results table.

usage: python benchmarks/pipeline.py
"""

import tempfile
from pathlib import Path

from edgelab.course.notebooks.run import notebooks_in, run
from edgelab.course.results.benchmarks import save_measured


def main() -> None:
    notebooks = Path(__file__).resolve().parents[1] / "notebooks"
    with tempfile.TemporaryDirectory() as build:
        save_measured("pipeline", run(notebooks_in(notebooks), build))


if __name__ == "__main__":
    main()
