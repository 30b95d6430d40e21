"""Reads single keys from a terminal while waiting."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator


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


def wait_for_key(seconds: float) -> bytes:
    """What the next key pressed within this time sends, such as `s` or `ESC [ A`; empty if none was."""
    seconds = max(0.0, seconds)  # looking took longer than the interval
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return b""
    descriptor = sys.stdin.fileno()
    if not select.select([descriptor], [], [], seconds)[0]:
        return b""
    pressed = os.read(descriptor, 16)
    return pressed if pressed.startswith(b"\x1b") else pressed[:1]
