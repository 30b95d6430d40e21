"""
Where Redis is, by URL:

    redis://[user:password@]host:6379/0                             one server
    redis+sentinel://[user:password@]host:26379,host:26379/name     the primary that sentinels call `name` (or name/0)
    redis+cluster://[user:password@]host:6379,host:6379             a cluster, found by any of these nodes

`rediss` instead of `redis` uses TLS for all connections. Parameters after `?` go to redis-py: `ssl_ca_certs`,
`ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs`, `ssl_check_hostname`. Sentinels may have their own login:
`sentinel_username`, `sentinel_password`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import signature
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from django.utils.module_loading import import_string
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry

from cache_layer.errors import InvalidOptions
from cache_layer.options import Options
from cache_layer.server.replies import BoundedParser
from cache_layer.server.run_id import on_connect

PORTS = {"": 6379, "sentinel": 26379, "cluster": 6379}
OWN_LOGIN = "sentinel_"
CLIENT = "cache_layer.server.connection.GuardedRedis"
CLUSTER_FACTORY = "cache_layer.server.cluster.ClusterFactory"
GUARDING = {"connection_class", "parser_class", "protocol", "redis_connect_func", "retry"}
"""Parameters of connections that nobody else may set: they compare run ids, limit replies and never repeat a write."""
MISSING = "an address is missing"
PARAMETERS = {
    *("username", "password", "db", "client_name", "health_check_interval"),
    *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "sentinel_username", "sentinel_password"),
}
"""The parameters allowed after `?`, besides those of TLS; this package sets redis-py's others, such as the protocol."""
TLS_PARAMETERS = {name for name in signature(SSLConnection.__init__).parameters if name.startswith("ssl_")}


@dataclass(frozen=True)
class Location:
    """
    A parsed URL.

    Attributes:
        kind: empty for one server, else `sentinel` or `cluster`.
        addresses: hosts and ports of the server, the sentinels, or some of the cluster's nodes.
        path: the database, or the sentinels' name for the primary (and the database).
        parameters: redis-py's connection parameters: user, password, TLS.
    """

    kind: str
    tls: bool
    addresses: tuple[tuple[str, int], ...]
    path: str
    parameters: dict[str, Any]

    @classmethod
    def of(cls, url: str) -> Location:
        """
        Raises:
            InvalidOptions: the URL is invalid; the message says how to fix it.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # unbalanced brackets
            raise InvalidOptions("REDIS_URL is not understood: use redis://host:6379/0.") from None
        scheme, _, kind = parts.scheme.partition("+")
        if scheme not in ("redis", "rediss") or kind not in PORTS:
            raise InvalidOptions("REDIS_URL is not understood: use redis://, redis+sentinel:// or redis+cluster://.")
        login, _, hosts = parts.netloc.rpartition("@")
        path = unquote(parts.path.strip("/"))
        try:
            if "@" in parts.path:
                raise ValueError("what is before it is a password, with a / in it")
            addresses = tuple(_address(urlsplit(f"//{host}"), PORTS[kind]) for host in hosts.split(","))
            parameters = parse_url(f"redis://{login}@host/?{parts.query}")
        except ValueError as error:
            why = str(error) if str(error) == MISSING else "it is not understood"  # other messages may quote a secret
            raise InvalidOptions(
                f"REDIS_URL: {why}; use {parts.scheme}://user:password@host:port,host:port/..., and in the password %2F"
                " for /, %3F for ?, %23 for #, %40 for @ and %25 for %."
            ) from None
        for name in parameters.keys() - {"host"}:
            if name not in PARAMETERS and not (scheme == "rediss" and name in TLS_PARAMETERS):
                hint = "it needs rediss://" if name in TLS_PARAMETERS else f"known: {', '.join(sorted(PARAMETERS))}"
                what = repr(name[:60]) if login or "@" not in parts.query else "part of a password"
                raise InvalidOptions(f"REDIS_URL has {what} after its ?: {hint}.")
        if not kind and not re.fullmatch("[0-9]{0,5}", path):
            raise InvalidOptions(f"REDIS_URL: {path[:60]!r} is not a database: use a whole number.")
        if kind == "sentinel" and not path:
            raise InvalidOptions("REDIS_URL lacks the name that the sentinels know: redis+sentinel://host:26379/name.")
        if kind == "cluster" and path not in ("", "0"):
            raise InvalidOptions(f"REDIS_URL: a cluster has no database {path!r}, only 0.")
        return cls(kind, scheme == "rediss", addresses, path, {k: v for k, v in parameters.items() if k != "host"})

    @staticmethod
    def in_caches(url: str, password: str | None, options: Options) -> dict[str, Any]:
        """`LOCATION` and `OPTIONS` for an alias in `CACHES`, so that django-redis connects as this package needs."""
        location = Location.of(url)
        timeout = options.socket_timeout_ms / 1000
        connecting: dict[str, Any] = {
            "max_connections": options.max_connections,
            "timeout": timeout,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "parser_class": BoundedParser,
        }
        if not location.kind:
            single = {
                "CONNECTION_FACTORY": "cache_layer.server.connection.GuardedFactory",
                "REDIS_CLIENT_CLASS": CLIENT,
                "CONNECTION_POOL_CLASS": "redis.connection.BlockingConnectionPool",
                "CONNECTION_POOL_KWARGS": connecting | {"redis_connect_func": on_connect},
                "PASSWORD": password,
            }
            return {"LOCATION": url, "OPTIONS": single}
        connecting |= ({"password": password} if password else {}) | location.parameters
        make = _sentinel_options if location.kind == "sentinel" else _cluster_options
        return make(location, connecting)


def guarded_location(server: Any, given: dict[str, Any], options: Options) -> dict[str, Any]:
    """
    `LOCATION` and `OPTIONS` for an alias that has some of its own, which come before ours unless coherence needs ours.

    Raises:
        InvalidOptions: one of its options would replace the client, its pools or the guard of each connection.
    """
    if not isinstance(server, str):  # `Location.in_caches` makes lists too
        if not (_is_a(given, "REDIS_CLIENT_CLASS", CLIENT) or _is_a(given, "CONNECTION_FACTORY", CLUSTER_FACTORY)):
            raise InvalidOptions(f"LOCATION is a {type(server).__name__}: use one URL, such as redis://host:6379/0.")
        return {"LOCATION": server, "OPTIONS": given}
    made = Location.in_caches(server, given.get("PASSWORD"), options)
    ours: dict[str, Any] = made["OPTIONS"]
    for name in given.keys() & {"REDIS_CLIENT_CLASS", "CONNECTION_FACTORY", "CONNECTION_POOL_CLASS"}:
        if not _is_a(given, name, ours.get(name, CLIENT)):
            raise InvalidOptions(
                f"OPTIONS has {name} {given[name]!r}, which cannot keep entries coherent: leave it out."
            )
    own_pool, our_pool = given.get("CONNECTION_POOL_KWARGS", {}), ours["CONNECTION_POOL_KWARGS"]
    for name in GUARDING & own_pool.keys():
        if own_pool[name] != our_pool.get(name):
            raise InvalidOptions(f"CONNECTION_POOL_KWARGS has {name!r}, which keeps entries coherent: leave it out.")
    return made | {"OPTIONS": ours | given | {"CONNECTION_POOL_KWARGS": our_pool | own_pool}}


def _is_a(given: dict[str, Any], name: str, base: str) -> bool:
    """Whether the class that an option names exists, and is `base` or a subclass of it."""
    try:
        return issubclass(import_string(given.get(name, "")), import_string(base))
    except (ImportError, TypeError):
        return False


def _sentinel_options(location: Location, connecting: dict[str, Any]) -> dict[str, Any]:
    from cache_layer.server.failover import SentinelConnection, SentinelSSLConnection

    login = {name: connecting.pop(name) for name in list(connecting) if name.startswith(OWN_LOGIN)}
    asking = {name: value for name, value in connecting.items() if name.startswith(("socket_", "ssl_", "protocol"))}
    options = {
        "CONNECTION_FACTORY": "cache_layer.server.failover.SentinelFactory",
        "CONNECTION_POOL_CLASS": "cache_layer.server.failover.SentinelPool",
        "REDIS_CLIENT_CLASS": "cache_layer.server.failover.SentinelRedis",
        "CONNECTION_POOL_KWARGS": connecting
        | {"connection_class": SentinelSSLConnection if location.tls else SentinelConnection},
        "SENTINELS": list(location.addresses),
        "SENTINEL_KWARGS": asking
        | {name.removeprefix(OWN_LOGIN): value for name, value in login.items()}
        | {"ssl": location.tls, "retry": Retry(NoBackoff(), 0)},
    }
    return {"LOCATION": [f"redis://{location.path}"], "OPTIONS": options}  # django-redis parses the name and database


def _cluster_options(location: Location, connecting: dict[str, Any]) -> dict[str, Any]:
    from cache_layer.server.failover import ClusterConnection, ClusterSSLConnection

    del connecting["retry"]  # the cluster client takes it separately
    options = {
        "CONNECTION_FACTORY": CLUSTER_FACTORY,
        "CONNECTION_POOL_KWARGS": connecting
        | {"connection_class": ClusterSSLConnection if location.tls else ClusterConnection},
        "CLUSTER_NODES": list(location.addresses),
    }
    name = ",".join(f"{host}:{port}" for host, port in location.addresses)
    return {"LOCATION": [f"redis+cluster://{name}"], "OPTIONS": options}


def _address(host: SplitResult, port: int) -> tuple[str, int]:
    if not host.hostname:
        raise ValueError(MISSING)
    if host.port == 0:
        raise ValueError("nothing listens on port 0")
    return host.hostname, host.port or port
