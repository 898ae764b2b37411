"""Pictures for run.py: from files, and from a camera that stays open. Needs numpy; see `read` for the rest."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

DIGITS = ((1, 28, 28, 1), (1, 28, 28))  # the inputs that preprocess.py makes of a picture
FAILURES = 10  # in a row: then the camera is gone, and whoever started this program starts it again


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a file as uint8 images (n, …) in the model's shape.

    A .npy holds images that are ready, uint8 0 to 255, one or many. All else is a picture of one digit, which
    preprocess.py brings to MNIST's form: .pgm (P5, 8 bits) read here, .png and .jpg by Pillow where it is installed.
    Raises ValueError, OSError or ImportError saying what was wrong.
    """
    if path.suffix.lower() == ".npy":
        images = np.load(path, allow_pickle=False)
        one = tuple(n for n in shape[1:] if n != 1)
        found = tuple(n for n in images.shape if n != 1)
        if images.dtype != np.uint8 or found[-len(one) :] != one or len(found) > len(one) + 1:
            raise ValueError(f"found {images.dtype} {images.shape}; expected uint8 (n, {str(shape[1:])[1:-1]})")
        return images.reshape(-1, *shape[1:])
    return digit(_pgm(path) if path.suffix.lower() == ".pgm" else path, shape)


def digit(picture: Path | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bring one picture to MNIST's form: uint8 (1, 28, 28). Raises ValueError for a model of another input."""
    if shape not in DIGITS:
        raise ValueError(f"the model takes {shape}, no digit of 28x28: give it ready images as .npy")
    from preprocess import to_mnist

    try:
        return to_mnist(picture)[None]
    except ModuleNotFoundError as error:
        if error.name != "PIL":
            raise
        raise ImportError("PNG and JPEG need Pillow: pip install pillow (or save it as .pgm)") from error


def _pgm(path: Path) -> np.ndarray:
    """Read a binary PGM of 8 bits, uint8 (h, w)."""
    data, fields, at = path.read_bytes(), [], 0
    while len(fields) < 4 and at < len(data):
        line_end = data.find(b"\n", at)
        if data[at : at + 1] == b"#":  # a comment, to the line's end
            at = line_end + 1 or len(data)
        elif data[at : at + 1].isspace():
            at += 1
        else:
            end = at
            while end < len(data) and not data[end : end + 1].isspace():
                end += 1
            fields.append(data[at:end])
            at = end
    if len(fields) < 4 or fields[0] != b"P5" or not all(f.isdigit() and len(f) < 7 for f in fields[1:]):
        raise ValueError("not a binary PGM (P5)")
    width, height, peak = map(int, fields[1:])
    pixels = data[at + 1 :]
    if peak != 255 or len(pixels) < width * height or not width * height:
        raise ValueError(f"{width}x{height}, peak {peak}, {len(pixels)} bytes; expected all pixels, peak 255")
    return np.frombuffer(pixels, np.uint8, width * height).reshape(height, width)


def camera(
    source: str, shape: tuple[int, ...], every: float, count: int, stopped: list
) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Open a camera once; yield a name and a function that takes the picture, every so many seconds, until stopped.

    source: "pi", or OpenCV's number or device. count: end after so many, 0 for never. Raises ImportError naming the
    library that is missing, OSError where the camera does not open or gives no picture FAILURES times in a row.
    """
    take, close = _pi() if source == "pi" else _opencv(source)
    failed = number = 0

    def picture() -> np.ndarray:
        nonlocal failed
        frame = take()
        failed = 0 if frame is not None else failed + 1
        if frame is None:
            raise ValueError(f"the camera gave no picture ({failed} in a row)")
        return digit(np.ascontiguousarray(frame), shape)

    try:
        while not stopped and failed < FAILURES and (number < count or not count):
            began = time.monotonic()
            yield f"camera {source} {number}", picture
            number += 1
            while not stopped and (left := began + every - time.monotonic()) > 0:
                time.sleep(min(left, 0.1))  # SIGTERM does not end a longer sleep
    finally:
        close()
    if failed >= FAILURES:
        raise OSError(f"camera {source}: {failed} pictures in a row failed")


def _opencv(source: str) -> tuple[Callable, Callable]:
    try:
        import cv2
    except ImportError as error:
        raise ImportError("--camera needs OpenCV: pip install opencv-python-headless") from error
    device = cv2.VideoCapture(int(source) if source.isdigit() else source)
    if not device.isOpened():
        device.release()
        raise OSError(f"camera {source} does not open; is it there, and may this user read it (group video)?")

    def take() -> np.ndarray | None:
        good, frame = device.read()
        return frame[..., ::-1] if good else None  # OpenCV's order is blue, green, red

    return take, device.release


def _pi() -> tuple[Callable, Callable]:
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise ImportError(
            "--camera pi needs picamera2: sudo apt install python3-picamera2, and a venv --system-site-packages"
        ) from error
    device = Picamera2()
    # picamera2 names the order of bytes from the other end: its BGR888 is an array of red, green, blue.
    device.configure(device.create_video_configuration(main={"size": (640, 480), "format": "BGR888"}))
    device.start()
    return device.capture_array, device.close


def notify(message: str) -> None:
    """Tell systemd, where it started this program as Type=notify: READY=1, WATCHDOG=1 (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address and sys.platform == "linux":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(message.encode(), "\0" + address[1:] if address[0] == "@" else address)
