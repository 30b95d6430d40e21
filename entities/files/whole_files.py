"""Writing to a path that somebody gave: to the file that is meant, and whole or not at all where that can be."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path

STANDARD_OUTPUT = 1


def write_whole(path: Path, text: str) -> None:
    """
    Replace a regular file, also by a link to it; only its owner reads the new one. Anything else is written to.

    Raises:
        OSError: it can't be done; a regular file that was there is as it was.
    """
    if is_standard_output(path):
        sys.stdout.flush()
        with open(STANDARD_OUTPUT, "w", encoding="utf-8", closefd=False) as output:
            output.write(text)
    elif is_special(path):
        with path.open("w", encoding="utf-8") as output:
            output.write(text)
    else:
        _replace(Path(os.path.realpath(path)), text)


def is_special(path: Path) -> bool:
    """Whether it leads to what can't be replaced: a pipe, a device, a socket; a directory is none."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_standard_output(path: Path) -> bool:
    """Whether it leads to where this process writes; to open it anew would begin a file that it goes on with."""
    try:
        return os.path.samestat(path.stat(), os.fstat(STANDARD_OUTPUT))
    except OSError:  # it is not there, or has been closed
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
