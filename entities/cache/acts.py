"""What operators do with the cache, in steps; each act is one row of the audit log, however it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError

from cache_layer import CoherentLookup
from cache_layer.inspect import ServerStatus
from entities.cache.entries import (
    BATCH_CODES,
    Warmed,
    describe_dropped,
    describe_warmed,
    drop_all_entries,
    drop_entries,
    warm_entries,
)
from entities.cache.operations import recorded
from entities.models import CacheOperation, Entity

Operation = CacheOperation.Operation


class ActFailed(Exception):
    """Redis did not answer; the message says how far the act got."""


@dataclass(frozen=True)
class Step:
    """How far an act has got, and its results so far."""

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
    Perform an act step by step. A caller that stops iterating aborts it: the audit log says how far it got.

    Args:
        codes: what to do it with; None for everything.
        tag: what selected them, if any.
    Raises:
        ActFailed: Redis did not answer.
    """
    step = Step(0, 1)
    with recorded(operation, codes, username=username, reason=reason, tag=tag) as record:
        try:
            for step in _STEPS[operation](codes):
                record.result = step.result if step.finished else f"broken off {_how_far(step)}"
                yield step
        except RedisError as error:
            raise ActFailed(f"{_how_far(step)}: Redis does not answer ({error})") from error


def _how_far(step: Step) -> str:
    result = f" ({step.result})" if step.result else ""
    return f"after {step.done} of {step.total}{result}" if step.done else "before anything was done"


def _invalidate(codes: Sequence[str] | None) -> Iterator[Step]:
    chosen = _all_codes() if codes is None else codes
    yield Step(0, len(chosen) or 1)
    dropped = 0
    for start in range(0, len(chosen), BATCH_CODES):
        batch = chosen[start : start + BATCH_CODES]
        dropped += drop_entries(batch)
        yield Step(start + len(batch), len(chosen), describe_dropped(dropped))


def _warm(codes: Sequence[str] | None) -> Iterator[Step]:
    """Reads silently bypass an unavailable Redis, so it is checked before and after."""
    chosen = _all_codes() if codes is None else codes
    total = len(chosen) + 1  # the list of all comes last
    ServerStatus.read()
    yield Step(0, total)
    counts: Counter[Warmed] = Counter()
    for done, (_, warmed) in enumerate(warm_entries(chosen), start=1):
        if done == total:
            break
        counts[warmed] += 1
        if done % BATCH_CODES == 0:
            yield Step(done, total, describe_warmed(counts))
    ServerStatus.read()
    yield Step(total, total, describe_warmed(counts))


def _clear(_: Sequence[str] | None) -> Iterator[Step]:
    yield Step(0, 1)
    yield Step(1, 1, describe_dropped(drop_all_entries()))


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
