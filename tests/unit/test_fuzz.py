"""Mutated files: the reader, the engine and `inspect` answer each with a result or a ValueError, in time."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from edgelab.artifacts import shipped
from edgelab.infer.runner import Runner

# What a child process does with a share of the files: only our own code sees them. An alarm ends what takes too long.
CHILD = """
import json, signal, sys, traceback
import numpy as np
from edgelab.artifacts import shipped
from edgelab.infer.inspection import describe, inspect_tflite
from edgelab.infer.integer.model import IntegerModel
from edgelab.infer.tflite import read
from edgelab.infer.tflite_tables import pack_tables, unpack_tables

def with_an_odd_field(content, rng):
    # A wrong number in a sound table: random bytes seldom make one.
    model = unpack_tables(content)
    part = model.subgraphs[0]
    tables = [part, *part.tensors, *part.operators, *(o.builtinOptions for o in part.operators if o.builtinOptions)]
    table = vars(tables[rng.integers(len(tables))])
    fields = [k for k, v in table.items() if type(v) in (int, float) or isinstance(v, np.ndarray) and len(v)]
    if not fields:
        return content
    field = fields[rng.integers(len(fields))]
    odd = int(rng.choice([0, 1, -1, 2, 3, 7, 255, 65536, 2**31 - 1, -(2**31)]))
    if isinstance(table[field], np.ndarray):
        table[field] = table[field].tolist()
        table[field][rng.integers(len(table[field]))] = odd
    else:
        table[field] = float("nan") if type(table[field]) is float else odd
    try:
        return pack_tables(model)
    except Exception:  # a number that doesn't fit its field can't be written
        return content

def mutated(content, rng):
    data = bytearray(content)
    way = rng.integers(6)
    if way == 5:
        return with_an_odd_field(content, rng)
    if way == 0:
        return bytes(data[: rng.integers(len(data))])
    for _ in range(int(rng.integers(1, 9))):
        place = int(rng.integers(8, len(data) - 8)) if rng.random() < 0.5 else int(rng.integers(8, 4000))
        if way == 1:
            data[place] ^= 1 << int(rng.integers(8))
        elif way == 2:
            data[place : place + 4] = int(rng.integers(2**32)).to_bytes(4, "little")
        elif way == 3:
            data[place : place + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
        else:
            other = int(rng.integers(8, len(data) - 40))
            data[place : place + 16] = data[other : other + 16]
    return bytes(data)

def late(*_):
    raise TimeoutError("more than 20 s")

signal.signal(signal.SIGALRM, late)
counts, wrong = {"accepted": 0, "refused": 0}, []
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    rng = np.random.default_rng(seed)
    name = ("tiny_int8", "small_cnn_int8_float_io", "small_int8")[seed % 3]
    content = mutated(shipped(name).read_bytes(), rng)
    for work in (read, lambda c: describe(inspect_tflite(c), layers=True), IntegerModel):
        signal.alarm(20)
        try:
            work(content)
            counts["accepted"] += 1
        except ValueError:
            counts["refused"] += 1
        except BaseException as error:
            wrong.append([seed, type(error).__name__, str(error)[:200], traceback.format_exc()[-600:]])
        finally:
            signal.alarm(0)
print(json.dumps([counts, wrong]))
"""


def fuzz(first: int, last: int) -> dict[str, int]:
    command = [sys.executable, "-c", CHILD, str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    counts, wrong = json.loads(done.stdout.splitlines()[-1])
    assert wrong == []
    return counts


def test_a_few_mutated_files():
    counts = fuzz(0, 24)
    assert sum(counts.values()) == 24 * 3
    assert counts["refused"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_many_mutated_files(part):
    """A thousand: a wrong offset, size or number must neither end the process nor keep it busy."""
    counts = fuzz(1000 + 240 * part, 1000 + 240 * (part + 1))
    assert min(counts.values()) > 50, counts


@pytest.mark.slow
def test_the_runner_accepts_no_changed_file_with_a_recorded_hash(tmp_path):
    """Whatever byte was changed: it is not opened."""
    content, path, rng = shipped("tiny_int8").read_bytes(), tmp_path / "net.tflite", np.random.default_rng(0)
    entry = {"name": "net", "file": "net.tflite", "sha256": hashlib.sha256(content).hexdigest()}
    (tmp_path / "models.json").write_text(json.dumps({"models": [entry]}))
    path.write_bytes(content)
    Runner(path)
    for _ in range(1000):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"SHA-256 is .*The file was changed or cut off"):
            Runner(path)
