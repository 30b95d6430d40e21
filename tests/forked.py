"""What the process of a web server does, forked from one that has imported this and the libraries with it."""

from __future__ import annotations

import importlib
import os
import sys
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


def serve(root: Path, environment: dict[str, str], port: int) -> None:
    """Do as `python -m granian` would in this tree and environment; does not return."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["granian", "--interface", "wsgi", "--port", str(port), "--no-log", "pmo.wsgi:application"]
    importlib.import_module("granian.cli").entrypoint()
