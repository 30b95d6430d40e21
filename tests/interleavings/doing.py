"""What a process can be seen to do, and how it is recognized in its commands and statements."""

from collections.abc import Callable, Sequence
from enum import Enum, StrEnum, auto
from typing import Any

from tests.interleavings.entries import CODE

NEXT_LABEL = "v?"
"""Stands for the label of the next version, which is given when the row changes: so labels grow in commit order."""


class Doing(StrEnum):
    """What a process is about to do."""

    LOOK = "looks into Redis"
    ASK_STAMP = "asks for the stamp"
    KEEP_STAMP = "keeps the stamp"
    CLAIM = "claims"
    LOAD = "reads the database"
    FILL = "fills"
    KEEP = "keeps a copy in its L1"
    HOLD = "holds"
    DRAIN = "waits L"
    LOCK_ROW = "locks the row"
    CHANGE_ROW = "changes the row"
    COMMIT = "commits"
    FIND_CHANGES = "looks for changes in the outbox"
    RELEASE = "releases"
    INVALIDATE = "invalidates"
    FORGET_CHANGES = "takes changes off the outbox"
    WAIT_FOR_THREAD = "waits for the thread that renews"


IN_REDIS = frozenset(
    {Doing.LOOK, Doing.ASK_STAMP, Doing.CLAIM, Doing.FILL, Doing.HOLD, Doing.RELEASE, Doing.INVALIDATE}
)
NEED_THE_ROW = frozenset({Doing.LOCK_ROW, Doing.CHANGE_ROW})
BY_SCRIPT = {
    "claim": Doing.CLAIM,
    "fill": Doing.FILL,
    "hold": Doing.HOLD,
    "release": Doing.RELEASE,
    "invalidate": Doing.INVALIDATE,
    "stamp": Doing.ASK_STAMP,
}


class Order(Enum):
    """How it goes on."""

    GO = auto()
    DIE = auto()
    ANSWER_IS_LATE = auto()
    COMMAND_IS_LATE = auto()
    CONNECTION_DROPS = auto()
    DATABASE_IS_AWAY = auto()
    COMMIT_IS_REFUSED = auto()
    COMMIT_IS_LATE = auto()


def doing_in_redis(command: Any, script: str) -> Doing | None:
    """
    What an exchange of the project's client is for; None if nobody can notice it, as a pipeline's that asks for TTLs.

    Args:
        script: the name of the Lua script that it runs, if any.
    """
    match getattr(command, "args", ()):
        case ("GET" | "MGET", *_):
            return Doing.LOOK
        case ("EVALSHA", *_):
            return BY_SCRIPT[script]
    return None


def doing_in_sql(sql: str, params: Any, *, by_relay: bool) -> Doing | None:
    """What a statement is for; None if nobody can notice it."""
    if '"cache_layer_guard"' in sql:
        return Doing.LOAD
    if "DELETE FROM cache_layer_outbox" in sql:
        return Doing.FORGET_CHANGES
    if '"cache_layer_outbox"' in sql:
        return None if by_relay else Doing.FIND_CHANGES
    if sql.endswith("FOR UPDATE"):
        return Doing.LOCK_ROW
    if sql.startswith(("UPDATE", "INSERT", "DELETE")) and CODE in (params or ()):
        return Doing.CHANGE_ROW
    return None


ANSWERS: dict[Doing, Callable[[Any], str]] = {
    Doing.LOOK: lambda answer: ", ".join("nothing" if one is None else "a value" for one in each(answer)),
    Doing.ASK_STAMP: lambda answer: ", ".join("a stamp" if one else "none" for one in each(answer)),
    Doing.CLAIM: lambda answer: ", ".join(
        str(one[0], "ascii") for one in (answer if isinstance(answer[0], list) else [answer])
    ),
    Doing.FILL: lambda answer: ", ".join("stored" if one else "refused" for one in each(answer)),
    Doing.HOLD: lambda answer: "alone" if all(each(answer)) else "not alone",
    Doing.RELEASE: lambda answer: ", ".join(str(one, "ascii") for one in each(answer)),
    Doing.INVALIDATE: lambda answer: ", ".join(
        {1: "dropped", 0: "nothing there", -1: "held", -2: "told"}[one] for one in each(answer)
    ),
}


def each(answer: Any) -> Sequence[Any]:
    """The answers for several entries, or for one."""
    return answer if isinstance(answer, list) else [answer]


def in_words(doing: Doing | None, answer: Any) -> str:
    """What Redis answered."""
    return ANSWERS[doing](answer) if doing else ""
