"""Child processes that never outlive their parent and do not receive the terminal's Ctrl-C."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

REPEAT_SECONDS, LIMIT_SECONDS = 1, 10
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)


def start_process(
    command: Sequence[str | Path], *, farewell: signal.Signals, **options: Any
) -> subprocess.Popen[bytes]:
    """
    Start `command` in a session of its own.

    Args:
        farewell: the signal the kernel sends the process when this one dies, however it dies (on Linux).
        options: as for `subprocess.Popen`.
    """
    return subprocess.Popen(  # noqa: S603 # the callers' commands are fixed
        command,
        start_new_session=True,
        preexec_fn=ending_with_parent(farewell),  # noqa: PLW1509 # one system call, its address found before the fork
        **options,
    )


def stop_process(process: subprocess.Popen[bytes], farewell: signal.Signals) -> None:
    """
    Send `farewell` and wait; kill what is left of the process and its group after `LIMIT_SECONDS`.

    A program can miss a signal while it starts, so the whole group gets it again after a second.
    """
    if process.poll() is None:
        process.send_signal(farewell)
        for patience in (REPEAT_SECONDS, LIMIT_SECONDS - REPEAT_SECONDS):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break
            _signal_group(process, farewell)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # none left; macOS raises the latter for a zombie
        os.killpg(process.pid, number)


def ending_with_parent(farewell: signal.Signals, parent: int | None = None) -> Callable[[], None] | None:
    """
    A function for a child to call first: on Linux, it then gets `farewell` when its parent (by default, us) dies.

    A child forked while its parent dies exits at once: the kernel reports no death that precedes the request.
    """
    if sys.platform != "linux":
        return None
    set_option = ctypes.CDLL(None).prctl
    parent = parent or os.getpid()

    def ask_kernel() -> None:
        set_option(_SET_PARENT_DEATH_SIGNAL, int(farewell))
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
