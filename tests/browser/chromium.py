"""Debian's Chromium, headless."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium-headless-shell", "chromium")
"""The first that is there is used: the shell does the same for half the processor time."""
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--no-first-run",
]


def launch_chromium(playwright: Playwright) -> Browser:
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    executable = next((path for path in map(shutil.which, NAMES) if path), None)
    return playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS, *as_root])
