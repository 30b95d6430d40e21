"""
`python -m pmo.drain SECONDS`: tell load balancers to stop sending requests, and wait until they have noticed.

Kubernetes runs it before it stops a container (`preStop`): `/readyz` fails from now on, but every request is still
answered. SIGTERM then ends the server after the requests in flight. PORT comes from the environment.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from pmo.environment.listener import Listener

MAX_SECONDS = 60


def draining_file(port: int) -> Path:
    """The file whose presence marks the server on `port` as draining; a starting server removes it."""
    return Path(tempfile.gettempdir()) / f"pmo-draining-{port}"


def is_draining(port: int) -> bool:
    """Whether the draining file exists and belongs to our own account."""
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
