"""The packages of the contender in Node: installed by its lock file, beside it, where Git does not look."""

import hashlib
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "node"
SERVER = FOLDER / "server.js"
PROGRAMS = ("node", "npm")
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1")
LIMIT_SECONDS = 60


def install_packages() -> str:
    """Install what the lock file says, unless it is there; returns why that failed, empty if it did not."""
    locked = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    installed = FOLDER / "node_modules" / ".installed"
    if installed.exists() and installed.read_text() == locked:
        return ""
    try:
        subprocess.run(INSTALL, cwd=FOLDER, capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS)
    except subprocess.CalledProcessError as failed:
        return (
            f"npm could not install it: {failed.stderr.strip().splitlines()[0] if failed.stderr else 'no reason given'}"
        )
    except subprocess.TimeoutExpired:
        return f"npm did not install it in {LIMIT_SECONDS} s"
    installed.write_text(locked)
    return ""
