"""To Redis and to PostgreSQL by TLS, with the names on their certificates checked."""

import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import environ
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from cache_layer.server.connection import get_writer_client, is_redis_healthy
from tests.cache_layer.conftest import caches_at
from tests.outages.proxy import to_postgres
from tests.tls import make_certificate, speaking_tls

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The servers' one, and a stranger's."""
    directory = tmp_path_factory.mktemp("certificates")
    return make_certificate(directory, "ours"), make_certificate(directory, "strange")


@pytest.fixture
def redis_port(certificates: tuple[Path, Path]) -> Iterator[int]:
    where = get_writer_client().connection_pool.connection_kwargs
    with speaking_tls(certificates[0], lambda: socket.create_connection((where["host"], where["port"]))) as port:
        yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_redis_is_used_by_tls_if_its_certificate_is_known(
    host: str, redis_port: int, certificates: tuple[Path, Path]
) -> None:
    ours, strange = certificates
    with caches_at(f"rediss://{host}:{redis_port}/0?ssl_ca_certs={ours}"):
        assert is_redis_healthy()
    with caches_at(f"rediss://{host}:{redis_port}/0?ssl_ca_certs={strange}"):
        assert not is_redis_healthy()
    with caches_at(f"rediss://{host}:{redis_port}/0"):
        assert not is_redis_healthy()


@pytest.mark.usefixtures("db")
def test_postgresql_is_used_by_tls_if_its_certificate_is_known(certificates: tuple[Path, Path]) -> None:
    ours, strange = certificates
    connect = partial(to_postgres, connection.settings_dict["OPTIONS"]["host"])
    with speaking_tls(ours, connect, postgres=True) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert="
        with psycopg.connect(**parameters(f"{url}{ours}")) as database:
            assert database.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            psycopg.connect(**parameters(f"{url}{strange}"))


def parameters(url: str) -> dict[str, object]:
    """What the project's settings make of a DATABASE_URL, for psycopg."""
    found = environ.Env.db_url_config(url)
    options = found["OPTIONS"] | {"connect_timeout": settings.DATABASES["default"]["OPTIONS"]["connect_timeout"]}
    names = {"host": "HOST", "port": "PORT", "user": "USER", "dbname": "NAME"}
    return {name: found[key] for name, key in names.items()} | options
