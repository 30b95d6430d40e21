"""nginx with the files of deploy/, where there is one: installed, or unpacked by `make tools`."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pmo.processes import start_process, stop_process
from tests.servers import ROOT, TOOLS
from tests.topologies import HOST, find_port
from tests.waiting import wait_for

FOLDER = ROOT / "deploy" / "nginx"
PROGRAM = shutil.which("nginx", path=TOOLS)
RESOLVES = (1, 27, 3)
"""The first version that looks the names of an upstream up again without being bought."""


@contextlib.contextmanager
def nginx_before(
    directory: Path, server_port: int, *, certificate: Path | None = None, limited: bool = True
) -> Iterator[dict[int, int]]:
    """
    nginx before a web server on this machine, while the block runs.

    Args:
        certificate: of nginx itself, with the key beside it (`.key`).
        limited: whether one address may only have so many connections and logins.
    Yields:
        where it listens, by the port in the files.
    """
    assert PROGRAM, "there is no nginx: apt install nginx-light, or make tools"
    conf = write_conf(directory, server_port, certificate, limited=limited)
    process = start_process([PROGRAM, "-c", str(conf), "-g", "daemon off;"], farewell=signal.SIGTERM, cwd=directory)
    ports = {int(number): int(found) for number, found in re.findall(r"# (\d+) is (\d+)", conf.read_text())}
    try:
        wait_for(lambda: all(map(_listens, ports.values())))
        yield ports
    finally:
        stop_process(process, signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def write_conf(directory: Path, server_port: int, certificate: Path | None, *, limited: bool = True) -> Path:
    """The files of deploy/ with ports of their own, as one that nginx can be started with."""
    files = ["pmo.conf", *(["tls.conf"] if certificate else [])]
    text = "\n".join((FOLDER / name).read_text() for name in files)
    location = directory / "pmo_location.conf"
    shared = (FOLDER / location.name).read_text()
    location.write_text(shared if limited else re.sub(r"limit_(conn pmo_clients|req zone).*;", "", shared))
    text = text.replace("server web:4000", f"server 127.0.0.1:{server_port}")
    if version() < RESOLVES:
        text = text.replace(" resolve ", " ")
    if certificate:
        text = text.replace("/etc/nginx/tls/fullchain.pem", str(certificate))
        text = text.replace("/etc/nginx/tls/privkey.pem", str(certificate.with_suffix(".key")))
    ports = {number: find_port() for number in re.findall(r"listen (\d+)", text)}
    for number, port in ports.items():
        text = text.replace(f"listen {number}", f"listen 127.0.0.1:{port}").replace(f'"{number} ', f'"{port} ')
        text = text.replace(f'"~^{number} ', f'"~^{port} ')
    text = text.replace("/etc/nginx/pmo_location.conf", str(location))
    own = [f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    conf = directory / "nginx.conf"
    conf.write_text(
        "".join(f"# {number} is {port}\n" for number, port in ports.items())
        + f"pid {directory}/nginx.pid; error_log {directory}/nginx.log; worker_rlimit_nofile 20000;\n"
        + f"events {{ worker_connections 10000; }}\nhttp {{ access_log off; {' '.join(own)}\n{text}\n}}\n"
    )
    return conf


def version() -> tuple[int, ...]:
    assert PROGRAM
    said = subprocess.run([PROGRAM, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, said.partition("/")[2].split()[0].split(".")))
