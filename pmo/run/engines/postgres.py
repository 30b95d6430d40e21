"""The embedded PostgreSQL, reached through a Unix socket that only its own account and root can open."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pmo.run.engines.engine import Engine, end_leftover, package_folder
from pmo.run.restarts import DidNotStart

PORT = 5432  # part of the Unix socket's name; nothing listens on TCP
ACCOUNT = "embedded_postgres"  # PostgreSQL refuses to run as root
SOCKET_PATH_LIMIT = 107  # bytes, unix(7)


class Postgres(Engine):
    """PostgreSQL on `directory / "postgres"`; arguments as for `running_engines`, `sockets` from `socket_directory`."""

    name = "PostgreSQL"
    farewell = signal.SIGINT
    meanwhile = "What is cached is still served."

    def __init__(self, directory: Path, sockets: Path, *, durable: bool = True, programs: Path | None = None) -> None:
        super().__init__(directory / "postgres.log")
        self._data, self._sockets, self._durable = directory / "postgres", sockets, durable
        self._programs = programs or program_folder()

    def launch(self) -> subprocess.Popen[bytes]:
        data, programs = self._data, self._programs
        account = _account_for_postgres(data, programs)
        if not data.exists():
            _initialise_database(data, programs, account)
        end_leftover(data / "postmaster.pid", data, self.farewell)
        for lock in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):  # their process id may be reused by now
            (data / lock).unlink(missing_ok=True)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._sockets}"',
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "client_connection_check_interval": "1s",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(PORT)]
        command += [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        return self.run(command, cwd="/", **account)

    def is_ready(self) -> bool:
        """Like `pg_ctl --wait`: the eighth line of the pid file says so."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@:{PORT}/{database}?host={quote(str(self._sockets), safe='')}"


def program_folder() -> Path:
    """The folder of `postgres`, `initdb`, `psql` and the other programs."""
    return package_folder("embedded_postgres", "DATABASE_URL") / "pginstall" / "bin"


def _initialise_database(data: Path, programs: Path, account: dict[str, Any]) -> None:
    """Create the database files elsewhere and move them into place, so that an interrupted first run leaves nothing."""
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if account:
        shutil.chown(unfinished, account["user"], account["group"])
    command: list[str | Path] = [programs / "initdb", "-D", unfinished, "--username=postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--no-instructions", "--locale=C", *_character_types(programs)]
    made = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", check=False, **account
    )
    if made.returncode:
        raise DidNotStart(f"PostgreSQL's files could not be created in {data}:\n{made.stderr.strip()}")
    unfinished.rename(data)


def _character_types(programs: Path) -> list[str]:
    """A locale that upper-cases all of Unicode and sorts by code point: PostgreSQL's builtin one from 17 on."""
    said = subprocess.run([programs / "initdb", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    major = int(said.stdout.split()[2].split(".")[0])  # "initdb (PostgreSQL) 15.18 (Debian ...)"
    return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else ["--lc-ctype=C.UTF-8"]


def _account_for_postgres(data: Path, programs: Path) -> dict[str, Any]:
    """
    `subprocess` options that run PostgreSQL's programs, as root under an account of their own.

    That account may traverse the folders above the data and the programs, and gets no other right.
    """
    if os.geteuid() != 0:
        return {}
    import pwd

    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        _make_account()
    for folder in {*data.resolve().parents, *programs.resolve().parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
    for installed in (programs, *programs.parents[2].glob(f"{programs.parents[1].name}.libs")):
        if not installed.stat().st_mode & stat.S_IXOTH:
            _open_to_all(programs.parent if installed == programs else installed)
    return {"user": ACCOUNT, "group": pwd.getpwnam(ACCOUNT).pw_gid, "extra_groups": []}


def _open_to_all(folder: Path) -> None:
    """Let everyone read and run what is in `folder`; it was installed under a strict umask."""
    for file in (folder, *folder.rglob("*")):
        mode = file.stat().st_mode
        file.chmod(mode | (mode & stat.S_IRWXU) >> 6 & ~stat.S_IWOTH)


def _make_account() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home", ACCOUNT]
    try:
        subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise DidNotStart(
            f"PostgreSQL does not run as root, and an account for it could not be created: {error}"
        ) from None


@contextlib.contextmanager
def socket_directory(directory: Path, programs: Path | None = None) -> Iterator[Path]:
    """The data's own folder, only for PostgreSQL's account; a temporary one if its path is unsuitable."""
    data = directory / "postgres"
    account = _account_for_postgres(data, programs or program_folder())
    if len(os.fsencode(data / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_LIMIT and not set(str(data)) & set(',"'):
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="pmo-", dir="/tmp") as temporary:  # mode 0700
        if account:
            shutil.chown(temporary, account["user"], account["group"])
        yield Path(temporary)
