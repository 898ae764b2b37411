#!/usr/bin/env bash
# A notebook's outputs were cleared. Does nbval, which compares each cell with its stored output, notice?
#
# Guess: yes. The cell prints something, nothing is stored, so the two differ.
# Seen:  not when the execution count was cleared with the outputs, as JupyterLab and nbstripout do: nbval then runs the
#        cell and compares nothing. A cell with a count and without outputs fails, as it should. So a notebook that was
#        stored cleared passes, whatever it prints.
# With:  nbval 0.11.0, ipykernel 7.4.0, pytest 9.2.0.
# Course: tests/unit/test_notebooks_static.py asks for a count in each cell, and for the outputs of what prints.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  nbval==0.11.0 ipykernel==7.4.0 nbformat==5.11.1 pytest==9.2.0

cd "$folder"
env/bin/python - <<'EOF'
import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

five, none = [new_output("stream", name="stdout", text="5\n")], []
cases = {
    "stored 5, count 1": (five, 1, "fails"),
    "cleared, count 1": (none, 1, "fails"),
    "cleared, no count": (none, None, "passes"),
}
as_described = True
for what, (outputs, count, expected) in cases.items():
    cell = new_code_cell("print(2 + 2)", outputs=outputs, execution_count=count)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[cell], metadata={"kernelspec": kernel}), "case.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "case.ipynb"]
    code = subprocess.run(command, capture_output=True, text=True).returncode
    found = {0: "passes", 1: "fails"}.get(code, f"ends with {code}")
    print(f"print(2 + 2), {what}: nbval {found}")
    as_described &= found == expected
sys.exit(0 if as_described else "This is no longer what nbval-passes-cleared-cells.sh describes.")
EOF
