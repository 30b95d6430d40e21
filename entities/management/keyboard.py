"""Reads single keys from a terminal while waiting."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator

NAMES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b" ": "page down",
}


@contextlib.contextmanager
def single_keys() -> Iterator[None]:
    """Read keys one by one without echo in the block, if standard input is a terminal; Ctrl-C still works."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def wait_for_key(seconds: float) -> str:
    """The next key pressed within this time: `up`, `page down`, `s`; empty if none was."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return ""
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], max(0.0, seconds))[0]:
        return ""
    pressed = os.read(descriptor, 16)
    return NAMES.get(pressed, pressed[:1].decode(errors="replace"))
