"""
Counted from PostgreSQL's log and Redis' MONITOR, on an otherwise idle server; without BEGIN and COMMIT. The express
lane's commands renew what is in use: every six tenths of a lease, however many requests there are.
"""

import collections
import functools
import re
import time
from collections.abc import Callable, Sequence

from cache_layer.options import Options
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.counter import Counter, counting
from tests.benchmarks.rows import hot_codes, written_code
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, counts
from tests.stage import Answer, StageFailed

SUMMARY = "statements and Redis commands of a request"
HEADING = "What a request asks of the engines"

COUNTED = ("database", "classic", "cacheops", "cachalot", "node", "django", "lane")
CHANGING = re.compile(r'UPDATE "?app"?\."?entity"? SET')
IN_MEMORY, LAPSED = "hit in memory (L1)", "hit when its lease has lapsed"
ATTEMPTS = 50
COPY_GONE_SECONDS = Options.local_lease_ms / 1000 + 0.02
VERDICT_GONE_SECONDS = 1.1


def measure(session: Session) -> list[dict[str, object]]:
    """
    For each kind of request: on which server, what it is, how many queries, and which commands, in order.

    Raises:
        StageFailed: a cache saves its server no query.
    """
    servers = session.servers(*COUNTED)
    found: list[dict[str, object]] = []
    with counting(session) as counter:
        for name, server in servers.items():
            needed = _count(session, server, counter)
            if "hit" in needed and needed["hit"][0] >= needed["miss"][0]:
                raise StageFailed(f"{name} caches nothing: {needed}")
            for kind, (queries, commands) in needed.items():
                found.append({"contender": name, "kind": kind, "queries": queries, "commands": commands})
    return found


Counted = tuple[int, list[str]]


def _count(session: Session, server: Server, counter: Counter) -> dict[str, Counted]:
    name, (code, other) = server.contender.name, hot_codes()[:2]
    redis = session.redis(server.contender.redis_db)

    def read(code: str = code) -> Answer:
        return server.ask(session.token, "GET", f"/api/v1/entity/type/{code}")

    def count_read(get_ready: Callable[[], object], *sources: str | None) -> Counted:
        for _ in range(ATTEMPTS):  # a busy machine may let a lease of 50 ms pass in between
            get_ready()
            answer, statements, commands = counter.count(read)
            if answer.headers.get("x-cache") in sources:
                return len(statements), commands
        raise StageFailed(f"{name} gives no {sources}")

    def lapse(seconds: float) -> None:
        read()
        time.sleep(seconds)

    def drop() -> None:
        lapse(COPY_GONE_SECONDS)
        read(other)  # the verdict on the token is fresh
        redis.delete(f"entity:metadata:{code}")

    if name in ("django", "lane"):
        found = {
            IN_MEMORY: count_read(read, "L1"),
            LAPSED: count_read(lambda: lapse(COPY_GONE_SECONDS), "L1", "L2"),
        }
        if name == "lane":  # all else goes through Django
            return found
        found["the same, token not seen for a second"] = count_read(lambda: lapse(VERDICT_GONE_SECONDS), "L1", "L2")
        found["miss"] = count_read(drop, "DB")
    else:
        found = {"miss": count_read(redis.flushdb, None), "hit": count_read(read, None)}
        if name == "database":  # it has nothing to miss
            found = {"read": found["hit"]}
    return found | {"PATCH": _count_change(session, server, counter)}


def _count_change(session: Session, server: Server, counter: Counter) -> Counted:
    path = f"/api/v1/entity/{written_code(server.contender.name)}"
    for label in ("Counted first", "Counted second"):  # the first loads scripts
        answer, statements, commands = counter.count(
            functools.partial(server.ask, session.token, "PATCH", path, {"label": label})
        )
        if answer.status != 200:
            raise StageFailed(f"PATCH {path}: {answer.status}")
    # What another session does then is the relay's work: it is told of the change and looks whether to do anything.
    changing = {each.session for each in statements if CHANGING.search(each.text)}
    return sum(each.session in changing for each in statements), commands


def table(found: Sequence[Results], _: Results) -> Tabled:
    rows = [
        (
            f"{CONTENDERS[each['contender']].title}: {each['kind']}",
            str(each["queries"]),
            str(len(each["commands"])),
            counts(collections.Counter(each["commands"])),
        )
        for each in found
    ]
    columns = ("request", "database queries", "Redis commands", "which")
    return Tabled("What one request asks of the engines", columns, rows)


def requirements(found: Sequence[Results]) -> list[Requirement]:
    text = "statements to PostgreSQL in a PATCH, BEGIN and COMMIT aside"
    ours = [each for each in found if each["contender"] == "django" and each["kind"] == "PATCH"]
    return [Requirement(text, "at most", 5, (each["queries"],)) for each in ours]
