"""Threads that a process has until it ends, and each process that is forked from it too."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def run_in_background(name: str, work: Callable[[], None]) -> None:
    """Run `work`, which does not return, in a thread of this process, and of those forked from it, from now on."""

    def start() -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    start()
    os.register_at_fork(after_in_child=start)  # after what the modules that are imported by now do there
