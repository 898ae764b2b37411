"""One short export of a Keras model for all conversions of it: Keras' own takes most of a conversion's time."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch


@contextmanager
def export_once() -> Iterator[None]:
    """Let TensorFlow's converter export equal models once while this lasts; modes and calibration stay its own.

    Models are equal where their configuration and all weights are: the exports lie under that hash in a folder that
    goes at the end. An export holds the function and its variables, but not the layers, which the converter doesn't
    read: the file is the same to the last byte, after half the time.
    """
    import tensorflow as tf

    class ExportOnce:
        """Keep what the converter asks for until the folder is named, then export, or copy the export there is."""

        def track(self, model):
            self.model = model

        def add_endpoint(self, name, function, signature):
            self.name, self.function, self.signature = name, function, signature

        def write_out(self, path):
            kept = Path(folder) / fingerprint(self.model)
            if not kept.is_dir():
                traced = tf.function(self.function, input_signature=self.signature).get_concrete_function()
                holder = tf.Module()
                holder.held = [variable.value for variable in self.model.variables]
                tf.saved_model.save(holder, str(kept), signatures={self.name: traced, "serving_default": traced})
            shutil.copytree(kept, path, dirs_exist_ok=True)

    with tempfile.TemporaryDirectory() as folder, patch("keras.export.ExportArchive", ExportOnce):
        yield


def fingerprint(model) -> str:
    """Hash a Keras model's configuration and weights."""
    digest = hashlib.sha256(model.to_json().encode())
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode() + weight.tobytes())
    return digest.hexdigest()
