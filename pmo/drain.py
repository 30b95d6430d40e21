"""
`python -m pmo.drain SECONDS`: have load balancers send no more, and wait until they have noticed.

What Kubernetes runs before it stops a container (`preStop`): `/readyz` says no from now on, everything is still
answered. Then SIGTERM ends the server when the requests under way are answered. PORT comes from the environment.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from pmo.environment.listener import Listener

MAX_SECONDS = 60


def draining_file(port: int) -> Path:
    """While it is there, the server on `port` is being drained; a server removes it when it starts."""
    return Path(tempfile.gettempdir()) / f"pmo-draining-{port}"


def is_draining(port: int) -> bool:
    """Whether our own account says so."""
    try:
        return draining_file(port).lstat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def main() -> None:
    try:
        port, seconds = Listener.of(os.environ).port, float(sys.argv[1])
    except (ImproperlyConfigured, IndexError, ValueError) as error:
        sys.exit(f"Usage: python -m pmo.drain SECONDS ({error})")
    draining_file(port).touch(mode=0o600)
    time.sleep(min(max(0.0, seconds), MAX_SECONDS))


if __name__ == "__main__":
    main()
