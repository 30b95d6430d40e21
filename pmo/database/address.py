"""Parses `DATABASE_URL`."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env
from psycopg.pq import Conninfo

from pmo.environment.variables import shown

SCHEMES = ("postgresql://", "postgres://")
MAX_NAME_LENGTH = 63
DJANGOS_OWN = ("assume_role", "prepare_threshold", "server_side_binding")


def database_of(url: str, *, pooled: bool) -> dict[str, Any]:
    """
    Django's database settings for a URL; its query string is passed to libpq.

    Args:
        pooled: whether connections are kept in a pool.
    Raises:
        ImproperlyConfigured: not a PostgreSQL URL; the message contains no part of it that may be secret.
    """
    try:
        if not url.startswith(SCHEMES) or ("," not in url and urlsplit(url).port == 0):
            raise ValueError
        config: dict[str, Any] = Env.db_url_config(url)
    except ValueError:
        raise _not_understood() from None
    name = config["NAME"]
    if not 0 < len(name.encode()) <= MAX_NAME_LENGTH:
        raise _not_understood("it names no database, or one whose name is too long")
    _refuse_options(config, pooled=pooled)
    return config | {"ENGINE": "pmo.database"}


def _refuse_options(config: dict[str, Any], *, pooled: bool) -> None:
    if "AUTOCOMMIT" in config:  # the protocol requires Django's default
        raise ImproperlyConfigured("DATABASE_URL has autocommit: leave it out.")
    if not isinstance(config.get("ATOMIC_REQUESTS", False), bool):
        raise ImproperlyConfigured("DATABASE_URL has atomic_requests: it must be True or False.")
    age = config.get("CONN_MAX_AGE", 0)
    if pooled and age != 0:
        raise ImproperlyConfigured(
            "DATABASE_URL has conn_max_age, which would keep connections out of the pool: leave it out, or set"
            " DATABASE_POOL_SIZE=0 to have no pool."
        )
    if age is not None and (not isinstance(age, int) or age < 0):
        raise ImproperlyConfigured("DATABASE_URL has conn_max_age: it must be whole seconds.")
    options = config.get("OPTIONS", {})
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    for name in sorted(options.keys() - known - {*DJANGOS_OWN}):
        raise ImproperlyConfigured(f"DATABASE_URL has {shown(name)} after its ?: leave it out, or use one of libpq's.")
    timeout = options.get("connect_timeout", 1)
    if not isinstance(timeout, int) or timeout < 1:
        raise ImproperlyConfigured("DATABASE_URL has connect_timeout: it must be whole seconds, 1 or more.")


def _not_understood(why: str = "") -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"DATABASE_URL is not understood{f' ({why})' if why else ''}: use"
        " postgresql://user:password@host:port/database, and in the password %2F for /, %3F for ?, %23 for #, %40 for @"
        " and %25 for %."
    )
