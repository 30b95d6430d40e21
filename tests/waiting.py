"""Waiting for what happens in other threads, processes and engines."""

import contextlib
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """
    Wait until it holds; a server that is not there yet, or not there any more, is asked again.

    Raises:
        TimeoutError: it does not hold after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.02)
