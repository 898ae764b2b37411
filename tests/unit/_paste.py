"""Run the examples of pasted functions where edgelab cannot be imported: python -I _paste.py FOLDER.

FOLDER/MODULE/NAME/NAME.py is one paste, alone in its folder. FOLDER/results.jsonl says what became of each; a line is
written before and after, so that what ends the process is known. What has a line already isn't run again.
"""

import doctest
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path


class Refuse:
    """A finder that stands first and lets nobody import edgelab, however it is installed."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "edgelab":
            raise ImportError(f"a pasted function imports {name}: it doesn't stand alone")


def result(file: Path) -> str:
    """Import one paste and run its examples; return "" or what went wrong."""
    lines: list[str] = []
    try:
        spec = importlib.util.spec_from_file_location(f"pasted_{file.stem}", file)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        runner = doctest.DocTestRunner(verbose=False)
        finder = doctest.DocTestFinder()
        for test in finder.find(getattr(module, file.stem), file.stem, module=False, globs=vars(module)):
            runner.run(test, out=lines.append)
    except Exception:
        return traceback.format_exc()
    if runner.tries == 0:
        return "its docstring has no example"
    return "".join(lines) if runner.failures else ""


def main(folder: Path) -> None:
    sys.meta_path.insert(0, Refuse())
    assert "edgelab" not in sys.modules
    with (folder / "results.jsonl").open("a+", encoding="utf-8") as stream:
        stream.seek(0)
        done = {json.loads(line)[0] for line in stream}
        for file in sorted(folder.glob("*/*/*.py")):
            name = f"{file.parents[1].name}.{file.stem}"
            if name not in done:
                os.chdir(file.parent)
                print(json.dumps([name, None]), file=stream, flush=True)
                print(json.dumps([name, result(file)]), file=stream, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
