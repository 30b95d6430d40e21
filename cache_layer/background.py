"""Threads that run until their process ends, and again in each process forked from it."""

import os
import threading
from collections.abc import Callable


def run_in_background(name: str, work: Callable[[], None]) -> None:
    """Run `work`, which never returns, in a thread of this process and of each process forked from it."""

    def start() -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    start()
    os.register_at_fork(after_in_child=start)  # runs after the fork hooks of modules imported so far
