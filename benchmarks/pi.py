"""Emulated Raspberry Pi: the outputs of an emulated 64-bit Arm processor against this machine's, bit for bit.

1,000 test images through each model: by its bundle, unchanged, and by LiteRT's other kernels. The processor is
emulated by QEMU: its times would say nothing of a Pi's speed, and none is measured. Three minutes; needs
qemu-user-static and, the first time, the network.

usage: python benchmarks/pi.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgelab.artifacts import shipped
from edgelab.course.results.benchmarks import save_measured
from edgelab.data import load_mnist, to_input
from edgelab.deploy.bundle import write_bundle
from edgelab.deploy.pi import CPUS, pi_sysroot, run_on_pi
from edgelab.infer.runner import Runner

IMAGES = 1000
MODELS = ("tiny_int8", "small_int8", "best_int8", "small_cnn_int8", "small_float32")
# Run by either Python: the raw outputs of a model on inputs that are quantized already, as JSON.
PROGRAM = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
kernels = {"builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}
model = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType[kernels[sys.argv[3]]])
model.allocate_tensors()
read, write = model.get_input_details()[0]["index"], model.get_output_details()[0]["index"]
outputs = []
for image in np.load(sys.argv[2]):
    model.set_tensor(read, image[None])
    model.invoke()
    outputs.append(model.get_tensor(write)[0].tolist())
print(json.dumps(outputs))
"""


def here(*arguments: str | Path) -> bytes:
    """Run this Python as `run_on_pi` runs the other."""
    return subprocess.run([sys.executable, "-I", "-B", *arguments], check=True, stdout=subprocess.PIPE).stdout


def versions(sysroot: Path) -> dict[str, str]:
    """Return the versions on the emulated side, and QEMU's."""
    code = "import platform; from importlib.metadata import version as v; import json; print(json.dumps({'python': "
    code += "platform.python_version(), 'numpy': v('numpy'), 'ai-edge-litert': v('ai-edge-litert')}))"
    qemu = subprocess.run(["qemu-aarch64-static", "--version"], check=True, capture_output=True, text=True).stdout
    return {**json.loads(run_on_pi(sysroot, "-c", code)), "qemu": qemu.split()[2]}


def main() -> None:
    mnist, sysroot = load_mnist(), pi_sysroot()
    x, y = mnist.x_test[:IMAGES], mnist.y_test[:IMAGES]
    rows = []

    def add(model: str, kernels: str, cpu: str, a: list, b: list, bytes_differ: int | None = None) -> None:
        a, b = np.array(a), np.array(b)
        row = {"model": model, "kernels": kernels, "cpu": cpu, "images": len(a), "outputs": a.size}
        row |= {"differ": int((a != b).sum()), "largest": float(np.abs(a - b).max())}
        row |= {"other_digit": int((a.argmax(1) != b.argmax(1)).sum())}
        row |= {"accuracy": round(float((b.argmax(1) == y).mean()), 4)}
        row |= {"differing_bytes": bytes_differ} if bytes_differ is not None else {}
        rows.append({**row, **versions(sysroot)})
        print(row, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "x.npy", x)
        for model in MODELS:
            program, path = write_bundle(model, folder / model) / "run.py", shipped(model)
            ours = here(program, folder / "x.npy")
            for cpu in CPUS.values():
                pis = run_on_pi(sysroot, program, folder / "x.npy", cpu=cpu)
                outputs = [[json.loads(line)["output"] for line in text.splitlines()] for text in (ours, pis)]
                differ = sum(p != q for p, q in zip(ours, pis, strict=False)) + abs(len(ours) - len(pis))
                add(model, "xnnpack", cpu, *outputs, differ)
            np.save(folder / "q.npy", Runner(path).as_input(to_input(x)))
            for kernels in ("builtin", "reference"):
                words = ("-c", PROGRAM, path, folder / "q.npy", kernels)
                cpu = CPUS["Raspberry Pi 4"]
                add(model, kernels, cpu, json.loads(here(*words)), json.loads(run_on_pi(sysroot, *words, cpu=cpu)))
    save_measured("pi", rows)


if __name__ == "__main__":
    main()
