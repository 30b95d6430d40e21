"""What nginx does with the files of deploy/: needs an nginx, which `make tools` unpacks where Debian's can be had."""

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from tests.nginx import FOLDER, PROGRAM, nginx_before
from tests.servers import serving
from tests.tls import make_certificate

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx: `make tools` unpacks Debian's")


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that came."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, int]]:
    """The ports of nginx, before a server that answers with the headers that came, by those in the files."""
    directory = tmp_path_factory.mktemp("nginx")
    with serving(Echo) as url:
        port = urlsplit(url).port or 0
        certificate = make_certificate(directory, "localhost")
        with nginx_before(directory, port, certificate=certificate) as ports:
            yield ports


def ask(port: int, path: str = "/", *, tls: bool = False, method: str = "GET", **headers: str) -> tuple[int, str]:
    """The status, and what the server behind was told, or where one is sent."""
    context = ssl._create_unverified_context()
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(
        http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context) if tls else plain
    ) as server:
        server.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = server.getresponse()
        return answer.status, answer.headers.get("Location") or answer.read().decode()


def told(port: int, **headers: str) -> tuple[str, str, str]:
    _, said = ask(port, tls=headers.pop("tls", "") == "yes", **headers)
    found = json.loads(said)
    return found["X-Forwarded-Proto"], found["X-Forwarded-For"], found["Host"]


def test_behind_a_proxy_that_does_https_nobody_is_redirected_for_ever(front: dict[int, int]) -> None:
    by_proxy = told(front[4000], X_Forwarded_Proto="https", X_Forwarded_For="6.6.6.6, 203.0.113.7", Host="pmo:8443")
    assert by_proxy == ("https", "203.0.113.7", "pmo:8443")
    assert told(front[4000], Host="pmo") == ("http", "127.0.0.1", "pmo")


def test_by_its_own_https_nobody_can_say_where_a_request_comes_from(front: dict[int, int]) -> None:
    lies = {"X_Forwarded_Proto": "http", "X_Forwarded_For": "6.6.6.6"}
    assert told(front[4443], tls="yes", Host="pmo", **lies) == ("https", "127.0.0.1", "pmo")
    assert ask(front[4080], "/admin/?a=b", Host="pmo", X_Forwarded_Proto="https") == (308, "https://pmo/admin/?a=b")


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/admin/login/?next=/admin/"])
def test_logins_of_one_address_are_limited_and_nothing_else(front: dict[int, int], path: str) -> None:
    address = {"X_Forwarded_For": f"203.0.113.{len(path)}"}
    statuses = [ask(front[4000], path, method="POST", **address)[0] for _ in range(12)]
    assert statuses[:11] == [200] * 11
    assert statuses[11] == 429
    assert ask(front[4000], path, method="POST", X_Forwarded_For="203.0.113.200")[0] == 200
    assert ask(front[4000], path, **address)[0] == 200
    assert ask(front[4000], "/api/v1/entity/types", method="POST", **address)[0] == 200


def test_replaced_servers_are_found(front: dict[int, int]) -> None:
    conf = (FOLDER / "pmo.conf").read_text()
    assert re.search(r"server web:4000 resolve ", conf)
    assert re.search(r"^resolver 127\.0\.0\.11 valid=\d+s;", conf, re.MULTILINE)
