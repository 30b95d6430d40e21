"""What a Python process does that is forked from one that has imported this and the libraries with it."""

import importlib
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

LIBRARIES = (
    "django.contrib.admin.checks",
    "django.core.handlers.wsgi",
    "django_redis.cache",
    "granian.cli",
    "import_export.mixins",
    "jwt",
    "openpyxl",
    "psycopg_pool",
    "redis.cluster",
    "redis.sentinel",
    "rest_framework.serializers",
    "rich.progress",
    "structlog",
)
"""Those that take long, and look at no setting when they are imported."""
for library in LIBRARIES:
    importlib.import_module(library)


PACKAGES = {"pmo", "entities", "cache_layer"}


def run(command: Sequence[str], tree: Path, environment: Mapping[str, str]) -> None:
    """Do as Python would, given this command line in this tree and environment; may not return."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]  # it may be another tree's
    multiprocessing.set_start_method("fork", force=True)  # Granian's workers too, that they have the libraries
    sys.path.insert(0, str(tree))
    os.environ.clear()
    os.environ.update(environment)
    match command[1:]:
        case ["-m", module, *arguments]:
            sys.argv = [module, *arguments]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *arguments]:
            sys.argv = ["-c", *arguments]
            exec(program, {"__name__": "__main__"})
        case [script, *arguments]:
            sys.argv = [script, *arguments]
            runpy.run_path(str(tree / script), run_name="__main__")


def run_apart(
    command: Sequence[str],
    tree: Path,
    environment: Mapping[str, str],
    directory: Path,
    streams: Sequence[Path],
) -> None:
    """The same in a session and a directory of its own; it does not outlive whoever forked it."""
    from pmo.processes import ending_with_parent

    # Each child gets a copy of what keeps its fork server alive (Python 3.11 to 3.14): without it the server ends with
    # whoever asked for the child, and so does the child. `test_nothing_is_left_running` notices.
    os.close(forkserver._forkserver._forkserver_alive_fd)
    os.setsid()
    if end_with_parent := ending_with_parent(signal.SIGTERM, os.getppid()):
        end_with_parent()
    os.chdir(directory)
    for number, stream in enumerate(streams, 1):
        opened = os.open(stream, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    run(command, tree, environment)
