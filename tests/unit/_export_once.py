"""One export of a Keras model for several conversions of it: the export takes nine tenths of a conversion's time."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch


@contextmanager
def export_once() -> Iterator[list[bool]]:
    """Let TensorFlow's converter export equal models once while this lasts; modes and calibration stay its own.

    Models are equal where their configuration and all weights are: the exports lie under that hash in a folder that
    goes at the end. Yields a list that gains an item for each conversion: was its export there already?
    """
    import keras

    found = []
    whole = keras.export.ExportArchive

    class ExportOnce:
        """Keep what the converter asks for until the folder is named, then export, or copy the export there is."""

        def track(self, model):
            self.model = model

        def add_endpoint(self, *arguments):
            self.endpoint = arguments

        def write_out(self, path):
            kept = Path(folder) / fingerprint(self.model)
            found.append(kept.is_dir())
            if not kept.is_dir():
                archive = whole()
                archive.track(self.model)
                archive.add_endpoint(*self.endpoint)
                archive.write_out(str(kept))
            shutil.copytree(kept, path, dirs_exist_ok=True)

    with tempfile.TemporaryDirectory() as folder, patch("keras.export.ExportArchive", ExportOnce):
        yield found


def fingerprint(model) -> str:
    """Hash a Keras model's configuration and weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode() + weight.tobytes())
    return digest.hexdigest()
