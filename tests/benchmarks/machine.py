"""What everything ran on, for the report."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.contenders.node_packages import FOLDER
from tests.benchmarks.session import Session

PACKAGES = ("django", "djangorestframework", "django-redis", "redis", "hiredis", "granian", "psycopg")
PACKAGES_OF_OTHERS = ("django-cacheops", "django-cachalot")


def describe_machine(session: Session) -> dict[str, Any]:
    """Processor, system, engines and versions."""
    with psycopg.connect(session.database_url) as database:
        version = database.execute("SHOW server_version").fetchone()
    server: Any = session.redis().info("server")
    return {
        "processor": _processor(),
        "cores": len(session.cores.all) or os.cpu_count(),
        "pinned": session.cores.are_split,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *PACKAGES_OF_OTHERS) if _version(name)} | _in_node(),
        "postgresql": version[0] if version else "",
        "redis": f"{server.get('server_name', 'redis')} {server.get('valkey_version') or server['redis_version']}",
        "generator": session.generator.name,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _in_node() -> dict[str, str]:
    """The version of Node, if it is there, and of the packages that its contender names."""
    if shutil.which("node") is None:
        return {}
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    named = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    return {"node": node.removeprefix("v")} | {name: locked[f"node_modules/{name}"]["version"] for name in named}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
