"""Store text files, such as the names of the classes, in the .tflite itself."""

from __future__ import annotations

from collections.abc import Mapping


def attach(tflite: bytes, files: Mapping[str, str]) -> bytes:
    """Return a .tflite with text files appended as a ZIP archive: runtimes ignore it, and unzip programs find it.

    files: text by file name; tools for phones look for "labels.txt", one class a line. Files attached earlier stay,
    unless one of the same name is given. Equal arguments give equal bytes. Raises ValueError for bytes that are no
    .tflite, for no files, and for a name that is empty or contains a folder.
    Source: the TensorFlow Lite metadata format, "pack metadata and associated files".

    >>> import zipfile, io
    >>> zipfile.ZipFile(io.BytesIO(attach(b"1234TFL3", {"labels.txt": "zero"}))).namelist()
    ['labels.txt']
    """
    import io
    import zipfile

    if tflite[4:8] != b"TFL3":
        raise ValueError(f"not a .tflite: {len(tflite):,} bytes, no TFL3 mark at byte 4. Convert a model first")
    wrong = [name for name in files if not name or "/" in name or "\\" in name]
    if wrong or not files:
        raise ValueError(f"cannot attach {wrong[0]!r}; expected a file's name" if wrong else "no files to attach")
    stream = io.BytesIO(tflite)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as old:
            files = {info.filename: old.read(info) for info in old.infolist()} | dict(files)
            stream = io.BytesIO(tflite[: min(info.header_offset for info in old.infolist())])
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:  # "a": append
        for name, text in files.items():
            # A fixed date: with today's, the bytes would differ tomorrow.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return stream.getvalue()


def attached(tflite: bytes) -> dict[str, str]:
    """Return the text files attached to a .tflite, by name; {} when there are none.

    Raises ValueError naming the file that is no text in UTF-8, is compressed or encrypted in a way that can't be read
    here, or is damaged.

    >>> attached(attach(b"1234TFL3", {"labels.txt": "zero\\none"}))["labels.txt"].split()
    ['zero', 'one']
    """
    import io
    import zipfile
    import zlib

    stream, name = io.BytesIO(tflite), "the list of files"
    if not zipfile.is_zipfile(stream):
        return {}
    found = {}
    try:
        with zipfile.ZipFile(stream) as archive:
            for name in archive.namelist():
                found[name] = archive.read(name).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}, attached to the .tflite, is no text in UTF-8 ({error})") from error
    except RuntimeError as error:  # encrypted, or compressed in a way that Python doesn't know
        raise ValueError(f"{name}, attached to the .tflite, can't be read ({error}). Attach it again") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{name}, attached to the .tflite, is damaged ({error}). Copy or make the file again"
        ) from error
    return found
