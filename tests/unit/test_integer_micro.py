"""The integer engine's rule "micro" against TensorFlow Lite Micro, which gets an environment of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _random_tflite import IMAGES, VECTORS, networks
from hypothesis import HealthCheck, Phase, given, settings

from edgelab.artifacts import shipped
from edgelab.data import load_mnist, to_input
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.integer.operators import OPERATORS, RULES
from edgelab.infer.integer.place import MISSING
from edgelab.infer.parity import runtime_outputs
from edgelab.infer.tflite import read
from edgelab.shrink.quantize.affine import quantize

ROOT = Path(__file__).resolve().parents[2]

# One process for all cases: folders of model.tflite and x.npy become y.npy, or error.txt.
RUN = """
import sys
from pathlib import Path

import numpy as np
from tflite_micro import runtime

for folder in sorted(Path(sys.argv[1]).iterdir()):
    x = np.load(folder / "x.npy")
    try:
        interpreter = runtime.Interpreter.from_bytes((folder / "model.tflite").read_bytes())
        answers = []
        for image in x:
            interpreter.set_input(image[None], 0)
            interpreter.invoke()
            answers.append(interpreter.get_output(0).copy())
        np.save(folder / "y.npy", np.concatenate(answers))
    except Exception as error:
        (folder / "error.txt").write_text(str(error))
"""


def run(*command) -> None:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "VIRTUAL_ENV", "EDGELAB"))}
    words = [str(part) for part in command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    """A function from cases (tflite, x) to what TensorFlow Lite Micro answers, installed for it alone (64 MB)."""
    uv = shutil.which("uv", path=ROOT / ".tools" / "bin") or shutil.which("uv")
    assert uv, "uv is neither in .tools/bin nor on PATH; `make test` installs it"
    folder = tmp_path_factory.mktemp("micro")
    run(uv, "venv", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(uv, "pip", "install", "--python", python, "tflite-micro")
    (folder / "run.py").write_text(RUN)

    def answer(cases):
        place = tmp_path_factory.mktemp("cases")
        for number, (tflite, x) in enumerate(cases):
            case = place / f"{number:05d}"
            case.mkdir()
            (case / "model.tflite").write_bytes(tflite)
            np.save(case / "x.npy", x)
        run(python, folder / "run.py", place)
        for case in sorted(place.iterdir()):
            yield np.load(case / "y.npy") if (case / "y.npy").exists() else (case / "error.txt").read_text()

    return answer


def drawn(count, *args, **kwargs):
    """Return so many networks as hypothesis draws them."""
    cases = []

    calm = settings(deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

    @settings(calm, max_examples=count)
    @given(networks(*args, **kwargs))
    def collect(case):
        cases.append(case)

    collect()
    return cases


@pytest.mark.slow
def test_no_logit_differs_on_1000_digits_and_some_do_by_another_rule(micro):
    """The table's fourth row: Micro by each rule. It parts from the reference kernels in few logits."""
    names = ("small_cnn_int8", "dense128_int8", "tiny_int8", "small_int8", "best_int8")
    scale, zero_point = IntegerModel(shipped(names[0])).input[3:5]
    x = quantize(to_input(load_mnist().x_test[:1000]), scale, zero_point)
    answers = micro([(shipped(name).read_bytes(), x) for name in names])
    for name, found in zip(names, answers, strict=True):
        share = {rule: float(np.mean(IntegerModel(shipped(name), rule).run(x) != found)) for rule in RULES}
        print(f"{name:15}", *(f"{rule} {each:.4f}" for rule, each in share.items()))
        assert share["micro"] == 0, name
        assert all(0 < each < 0.5 for rule, each in share.items() if rule not in ("micro", "reference")), share
        assert share["reference"] < 0.01, share


@pytest.mark.slow
def test_no_value_differs_on_random_networks(micro):
    """Of those it runs: it has no int4 convolutions, and its arena may be too small."""
    cases = drawn(300, layers=1) + drawn(300, layers=4)
    ran = 0
    for (tflite, x), found in zip(cases, micro(cases), strict=True):
        if isinstance(found, str):
            assert "failed to allocate" in found or "int4" in found.lower() or "nvo" in found, found
            continue
        assert all(OPERATORS[operator.kind].micro != MISSING for operator in read(tflite).operators)
        np.testing.assert_array_equal(IntegerModel(tflite, "micro").run(x), found)
        ran += 1
    assert ran > len(cases) / 2


@pytest.mark.slow
def test_the_table_says_which_operators_it_has(micro):
    """An operator that it lacks would be run as if it had it: TILE was."""
    cases = [case for kind in IMAGES | VECTORS for case in drawn(4, kind)]
    kinds = [{operator.kind for operator in read(tflite).operators} for tflite, _ in cases]
    opened = set().union(*(k for k, found in zip(kinds, micro(cases), strict=True) if not isinstance(found, str)))
    assert opened == {kind for kind in set().union(*kinds) if OPERATORS[kind].micro != MISSING}


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(ImportError, match="TensorFlow Lite Micro isn't installed; try: pip install tflite-micro"):
        runtime_outputs(shipped("small_cnn_int8"), np.zeros((1, 28, 28, 1), np.int8), "micro")
