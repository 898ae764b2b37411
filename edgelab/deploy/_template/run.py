"""Recognise pictures from files or a camera with the model in this folder; one line of JSON a picture on stdout.

    python run.py FILE_OR_FOLDER …           # .npy, .pgm; .png and .jpg where Pillow is installed
    python run.py --camera 0 --every 1       # OpenCV's camera 0 (or pi: the Pi's own), kept open, a picture a second

Needs numpy and ai-edge-litert, see requirements.txt. What cannot be read is named on stderr and left out; the exit
code is then 1. SIGTERM and Ctrl-C end the program after the picture at hand, with exit code 0.
"""

import argparse
import hashlib
import json
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads would take memory and gain nothing here
import numpy as np

HERE = Path(__file__).resolve().parent
PICTURES = (".npy", ".pgm", ".png", ".jpg", ".jpeg")


class Model:
    """The model of a bundle's folder, opened after its SHA-256 was compared with bundle.json."""

    def __init__(self, folder: Path = HERE) -> None:
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        name, self.labels = manifest["model"], manifest["labels"]
        content = (folder / name).read_bytes()
        found, expected = hashlib.sha256(content).hexdigest(), manifest["files"][name]["sha256"]
        if found != expected:
            raise ValueError(f"{name}: SHA-256 is {found[:16]}…, bundle.json has {expected[:16]}…; copy the file again")
        from ai_edge_litert.interpreter import Interpreter

        self.runtime = Interpreter(model_content=content, num_threads=1)
        self.runtime.allocate_tensors()
        self.input, self.output = self.runtime.get_input_details()[0], self.runtime.get_output_details()[0]
        self.shape = tuple(self.input["shape"].tolist())

    def answer(self, image: np.ndarray) -> dict:
        """Return label, probability and raw output for one image, uint8 in the model's shape without the batch."""
        x = np.divide(image.reshape(self.shape), 255, dtype=np.float32)
        if self.input["dtype"] != np.float32:
            (scale, zero_point), limits = self.input["quantization"], np.iinfo(self.input["dtype"])
            x = np.clip(np.rint(x / np.float32(scale)) + zero_point, limits.min, limits.max).astype(limits.dtype)
        self.runtime.reset_all_variables()  # a recurrent model must not remember the picture before
        self.runtime.set_tensor(self.input["index"], x)
        self.runtime.invoke()
        raw = self.runtime.get_tensor(self.output["index"])[0].tolist()
        best, scale = raw.index(max(raw)), self.output["quantization"][0] or 1.0
        probability = round(1 / sum(math.exp(scale * (q - raw[best])) for q in raw), 4)  # softmax of logits
        return {"label": self.labels[best], "probability": probability, "output": raw}


def files(paths: list[str]) -> Iterator[Path]:
    """Return the paths, and for a folder the pictures in it, in the order of their names."""
    for path in map(Path, paths):
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES) if path.is_dir() else [path]
        yield from inside


def main() -> int:
    """Run the program; return its exit code: 0, 1 where something was left out, 2 where it could not start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="*", help="files, or folders of files: .npy .pgm .png .jpg")
    parser.add_argument("--camera", help="pi (through picamera2), or a number or device (through OpenCV)")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from picture to picture (1)")
    parser.add_argument("--count", type=int, default=0, help="end after so many pictures of the camera (0: never)")
    options = parser.parse_args()
    if bool(options.path) == bool(options.camera):
        parser.error("name files or folders, or a camera")
    stopped, skipped = [], 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(True))
    try:
        sys.path.insert(0, str(HERE))  # python -I leaves it out
        from pictures import camera, notify, read

        model = Model()
        notify("READY=1")
        if options.camera:
            source = camera(options.camera, model.shape, options.every, options.count, stopped)
        else:
            source = ((path, lambda path=path: read(path, model.shape)) for path in files(options.path))
        for name, take in source:
            try:
                for number, image in enumerate(images := take()):
                    index = {"index": number} if len(images) > 1 else {}
                    print(json.dumps({"image": str(name), **index, **model.answer(image)}), flush=True)
                    if stopped:
                        break
            except (ValueError, EOFError, ImportError, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                skipped += 1
                print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            notify("WATCHDOG=1")  # also after an empty page: the program is alive
            if stopped:
                break
    except BrokenPipeError:  # whoever read the lines has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, ImportError, OSError, RuntimeError, KeyError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    return 1 if skipped and not stopped else 0


if __name__ == "__main__":
    sys.exit(main())
