"""Files that commands read and write, at a path given by a user: the file it means, and atomically where possible."""

import os
import sys
import tempfile
from pathlib import Path

from django.core.management import CommandError

STANDARD_OUTPUT = 1


class FileRefused(CommandError):
    """The file cannot be read, written or loaded; the message says why. Nothing was changed."""


def read_whole(path: Path) -> bytes:
    """
    Raises:
        FileRefused: reading failed.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileRefused(f"{path}: {error.strerror}.") from error


def write_whole(path: Path, text: str) -> None:
    """
    Replace a regular file, also through a symlink; only its owner may read the new one. Others are written in place.

    Raises:
        FileRefused: writing failed; an existing regular file is unchanged.
    """
    try:
        if is_standard_output(path):
            sys.stdout.flush()
            with open(STANDARD_OUTPUT, "w", encoding="utf-8", closefd=False) as output:
                output.write(text)
        elif path.exists() and not path.is_file() and not path.is_dir():  # a pipe, a device or a socket
            path.write_text(text, encoding="utf-8")
        else:
            _replace(Path(os.path.realpath(path)), text)
    except OSError as error:
        raise FileRefused(f"{path}: {error.strerror}.") from error


def is_standard_output(path: Path) -> bool:
    """Whether it leads to this process's output; reopening it would start over in a file that is being written."""
    try:
        return os.path.samestat(path.stat(), os.fstat(STANDARD_OUTPUT))
    except OSError:  # it does not exist, or is closed
        return False


def _replace(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
    ) as written:
        try:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
            Path(written.name).replace(file)
        except BaseException:
            Path(written.name).unlink()
            raise
