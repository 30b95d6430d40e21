"""
Who takes part, in the order of the report.

Each answers `GET /api/v1/entity/type/{code}` for a bearer token from the same rows; those before ours are written as
the documentation of what they use proposes.
"""

import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.benchmarks.contenders.node_packages import PROGRAMS, SERVER, install_packages

LOADER = "django.core.wsgi:get_wsgi_application"
OURS_LOADER = "pmo.serve:load_application"
CONSTANT = "constant"
NODE = "node"


@dataclass(frozen=True)
class Contender:
    """
    One server.

    Attributes:
        name: in options, figures and code of rows.
        title: in tables.
        settings: the module of its Django settings; empty if it has none.
        redis_db: the Redis database it has for itself (ours share one, as they would).
        application: what Granian loads.
        requires: the package it is about.
        command: what is run in place of Granian; PORT, and the variables of libpq, say where.
        environment: variables besides everyone's.
    """

    name: str
    title: str
    settings: str
    redis_db: int
    application: str = LOADER
    requires: str = ""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def server_command(self, port: int, workers: int = 1) -> list[str]:
        """The command line that serves it."""
        from pmo import serve  # not in its own processes, which import this too
        from pmo.environment.listener import Listener

        command = serve.server_command(Listener(port=port, workers=workers))
        return [*self.command] or [self.application if part == OURS_LOADER else part for part in command]

    def get_ready(self) -> str:
        """Install what is this contender's alone; returns why it cannot take part, empty if it can."""
        if self.requires and importlib.util.find_spec(self.requires) is None:
            return f"the package {self.requires} is not installed"
        if self.name == NODE:
            absent = [program for program in PROGRAMS if shutil.which(program) is None]
            return f"there is no {absent[0]} here" if absent else install_packages()
        return ""


def _written(name: str, title: str, redis_db: int, requires: str = "") -> Contender:
    settings = "tests.benchmarks.contenders.settings"
    return Contender(name, title, settings, redis_db, requires=requires, environment={"CONTENDER": name})


def _ours(name: str, title: str, **environment: str) -> Contender:
    return Contender(name, title, "pmo.settings", 0, OURS_LOADER, environment=environment)


CONTENDERS = {
    contender.name: contender
    for contender in (
        _written("database", "database only: DRF, ORM", 1),
        _written("classic", "classic cache-aside: DRF, django-redis", 2),
        _written("get_or_set", "Django's RedisCache, get_or_set", 4),
        _written("cacheops", "django-cacheops", 5, "cacheops"),
        _written("cachalot", "django-cachalot", 6, "cachalot"),
        Contender(NODE, "Node: Fastify, ioredis, postgres", "", 7, command=("node", str(SERVER))),
        _ours("django", "ours through Django", CACHE_EXPRESS_LANE_BYTES="0"),
        _ours("lane", "ours through the express lane"),
        Contender(
            CONSTANT, "the limit: a constant answer", "", 0, "tests.benchmarks.contenders.constant:load_application"
        ),
    )
}
