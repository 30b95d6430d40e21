"""What operators do with the cache, in steps, and the audit log: each operation is one row of it, however it ends."""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import DatabaseError
from redis.exceptions import RedisError

from cache_layer import CoherentLookup, Read, Source, origin
from cache_layer.inspect import ServerStatus
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import CacheOperation, Entity

logger = logging.getLogger("entities")

Operation = CacheOperation.Operation
EVERYTHING = "all"
BATCH_CODES = 200
"""How many are dropped or warmed in one step."""
MAX_CODES = 100
"""Operations on more name the first ones and the number of the rest."""
FILLED, ALREADY_CACHED, NOT_CACHEABLE = "filled", "already cached", "not cacheable"


class OperationFailed(Exception):
    """Redis did not answer; the message says how far the operation got."""


class Step(NamedTuple):
    """How far an operation has got, and its results so far."""

    done: int
    total: int
    result: str = ""

    @property
    def finished(self) -> bool:
        return self.done == self.total


def perform(
    operation: Operation, codes: Sequence[str] | None, *, username: str, reason: str = "", tag: str = ""
) -> Generator[Step]:
    """
    Perform an operation step by step. A caller that stops iterating aborts it: the audit log says how far it got.

    Args:
        codes: what to do it with; None for everything.
        tag: what selected them, if any.
    Raises:
        OperationFailed: Redis did not answer.
    """
    step = Step(0, 1)
    with recorded(operation, codes, username=username, reason=reason, tag=tag) as record:
        try:
            for step in _STEPS[operation](codes):
                record.result = step.result if step.finished else f"broken off {_how_far(step)}"
                yield step
        except RedisError as error:
            raise OperationFailed(f"{_how_far(step)}: Redis does not answer ({error})") from error


def _how_far(step: Step) -> str:
    result = f" ({step.result})" if step.result else ""
    return f"after {step.done} of {step.total}{result}" if step.done else "before anything was done"


def _invalidate(codes: Sequence[str] | None) -> Iterator[Step]:
    chosen = _all_codes() if codes is None else codes
    yield Step(0, len(chosen) or 1)
    dropped = 0
    for start in range(0, len(chosen), BATCH_CODES):
        batch = chosen[start : start + BATCH_CODES]
        dropped += ENTITY.entries_of_rows(*batch).invalidate()
        yield Step(start + len(batch), len(chosen), describe_dropped(dropped))


def _warm(codes: Sequence[str] | None) -> Iterator[Step]:
    """Reads silently bypass an unavailable Redis, so it is checked before and after."""
    chosen = _all_codes() if codes is None else codes
    total = len(chosen) + 1  # the list of all comes last
    ServerStatus.read()
    yield Step(0, total)
    counts: Counter[str] = Counter()
    for start in range(0, len(chosen), BATCH_CODES):
        batch = chosen[start : start + BATCH_CODES]
        counts.update(map(describe_warming, ENTITY.read_many(batch).values()))
        yield Step(start + len(batch), total, _describe_warmed(counts))
    ENTITY_TYPES.read()
    ServerStatus.read()
    yield Step(total, total, _describe_warmed(counts))


def _clear(_: Sequence[str] | None) -> Iterator[Step]:
    yield Step(0, 1)
    yield Step(1, 1, describe_dropped(CoherentLookup.clear_all()))


def _audit(_: Sequence[str] | None) -> Iterator[Step]:
    yield Step(0, 1)
    audit = CoherentLookup.audit_all()
    wrong = len(audit.mismatches)
    found = f"{wrong} differed and were dropped" if wrong else "all as in the database"
    yield Step(1, 1, f"{audit.compared} cached values compared: {found}")


def _all_codes() -> list[str]:
    return list(Entity.objects.values_list("code", flat=True))


_STEPS: dict[Operation, Callable[[Sequence[str] | None], Iterator[Step]]] = {
    Operation.INVALIDATE: _invalidate,
    Operation.WARM: _warm,
    Operation.CLEAR: _clear,
    Operation.AUDIT: _audit,
}


@contextmanager
def recorded(
    operation: Operation,
    codes: Sequence[str] | None,
    *,
    username: str,
    reason: str = "",
    tag: str = "",
) -> Iterator[CacheOperation]:
    """
    Record an operation in the audit log, even if it fails.

    The block sets `result` on the yielded row. Without the database the log gets the record, and the operation goes on.
    `codes` and `tag` are those of `perform`.
    """
    record = CacheOperation(
        username=username,
        origin=origin.current(),
        operation=operation,
        subject=describe_subject(codes, tag),
        reason=reason,
    )
    try:
        yield record
    except Exception as error:
        record.result = f"failed: {error}"
        raise
    finally:
        noted = {name: getattr(record, name) for name in ("username", "origin", "operation", "subject", "result")}
        logger.info("Cache operated", extra=noted | {"reason": reason})
        try:
            record.save(force_insert=True)
        except DatabaseError as error:
            logger.error("Audit log not written", extra=noted | {"error": str(error)})


def describe_subject(codes: Sequence[str] | None, tag: str = "") -> str:
    """`project, task`; `all` for None; `under:project (project, task)` by tag."""
    if codes is None:
        return EVERYTHING
    more = f" and {len(codes) - MAX_CODES} more" if len(codes) > MAX_CODES else ""
    listed = ", ".join(codes[:MAX_CODES]) + more
    return f"{tag} ({listed})" if tag else listed


def describe_dropped(number: int) -> str:
    """`1 cached value dropped`, `2 cached values dropped`."""
    return f"{number} cached value{'' if number == 1 else 's'} dropped"


def describe_warming(read: Read[Any]) -> str:
    """What warming one entry came to."""
    if read.document is None or read.source in (Source.BYPASS, Source.STALE):
        return NOT_CACHEABLE
    return FILLED if read.source is Source.DATABASE else ALREADY_CACHED


def _describe_warmed(counts: Counter[str]) -> str:
    """`3 filled, 1 already cached, 0 not cacheable`."""
    return ", ".join(f"{counts[warmed]} {warmed}" for warmed in (FILLED, ALREADY_CACHED, NOT_CACHEABLE))
