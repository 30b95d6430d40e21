"""
The eight steps of the integration test, and the four claims they prove.

Only the verification's own entity types are changed; they are removed when it ends, however it ends.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from django.utils.timezone import now
from redis.exceptions import RedisError

from cache_layer import Options, Source
from cache_layer.inspect import EntryView, Stored
from entities.changes import purge_entity
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.verification.instances import Answer, Instance, InstanceFailed, own_instance

CODE_PREFIX = "verify_cache_"
LEFTOVER_AGE = timedelta(hours=1)
LEASE_LIMIT_SECONDS = 5.0


class NotObserved(Exception):
    """The system did not behave as claimed; the message says what was seen."""


@dataclass(frozen=True)
class Sample:
    """The entity type that is read and changed, and one to be its child."""

    code: str
    child: str


def verify_claims(server: Instance, say: Callable[[str], None]) -> dict[str, str]:
    """
    Run the eight steps against `server`, with our own servers beside it.

    Args:
        say: called with the outcome of each step.
    Returns:
        For each claim what was not observed; empty if everything was.
    Raises:
        InstanceFailed: nothing can be verified: `server` is unusable or has another database.
    """

    def observe(steps: Iterator[str]) -> str:
        """Take the steps; returns what was not observed, if anything."""
        try:
            for line in steps:
                say(line)
        except (NotObserved, InstanceFailed) as error:
            return str(error)
        except RedisError as error:
            return f"Redis does not answer: {error}"
        return ""

    with sample_types(server) as sample:
        say(f"1. Reset: two temporary entity types, {sample.code} and one to be its child; your data stays as it is")
        persists = observe(check_persistence(server, sample))
        with ExitStack() as running:
            instances = [server]
            trouble = observe(start_beside(running, instances))
            invalidates = observe(check_invalidation(instances, sample))
            shared = trouble or observe(check_sharing(instances, sample))
            before = None
            with suppress(RedisError):
                before = find_stored(sample.code)
        restarts = trouble or observe(check_restart(before, server.token, sample))
    return {
        "Cache persists in Redis (not in-memory)": persists,
        "Cache survives API restarts": restarts,
        "Cache invalidation works": invalidates,
        "Shared across multiple API instances": shared,
    }


@contextmanager
def sample_types(server: Instance) -> Iterator[Sample]:
    """Entity types created through `server`; afterwards they, and leftovers of killed runs, are deleted."""
    sample = Sample(f"{CODE_PREFIX}{secrets.token_hex(4)}", f"{CODE_PREFIX}{secrets.token_hex(4)}")
    try:
        for code in (sample.code, sample.child):
            server.create(code=code, label="Verification", label_plural="Verifications", icon="FlaskConical")
            if not Entity.objects.filter(code=code).exists():
                raise InstanceFailed(f"{server.name} at {server.url} has another database than this command.")
        yield sample
    finally:
        leftovers = Entity.objects.filter(code__startswith=CODE_PREFIX, created_ts__lt=now() - LEFTOVER_AGE)
        for code in (sample.code, sample.child, *leftovers.values_list("code", flat=True)):
            with suppress(Entity.DoesNotExist):
                purge_entity(code, detach=True)


def start_beside(running: ExitStack, instances: list[Instance]) -> Iterator[str]:
    """Add two more instances, which serve while `running` is open."""
    beside = [running.enter_context(own_instance(f"Instance {name}", instances[0].token)) for name in ("A", "B")]
    instances += beside
    yield f"   Started two more instances of the API: A on {beside[0].url}, B on {beside[1].url}"


def check_persistence(server: Instance, sample: Sample) -> Iterator[str]:
    """Steps 2 to 4: what a miss stores in Redis is what the next reader gets from there."""
    clear(server, sample.code)
    yield "2. Cleared it from the cache: nothing in Redis"
    stored = fill(server, sample.code, "the first GET")
    yield f"3. GET: X-Cache DB; now {len(stored.stored)} bytes in Redis, for {round(stored.ttl_ms / 1000)} s"
    require_hit(read_past_local_copy(server, sample.code), stored, "the second GET", Source.REDIS)
    yield "4. GET: X-Cache L2, the same bytes as in Redis"


def check_invalidation(instances: Sequence[Instance], sample: Sample) -> Iterator[str]:
    """Steps 5 to 8: after a change, or a manual clear, nobody serves the old value."""
    server = instances[0]
    old = {instance.read(sample.code).body for instance in instances}  # each has a copy in memory now
    server.replace_children(sample.code, [sample.child])
    answers = [instance.read(sample.code) for instance in instances]
    stored = find_stored(sample.code)
    yield "5. PUT children: changed"
    for instance, answer in zip(instances, answers, strict=True):
        expect(children(answer.body) == [sample.child], f"{instance.name} still gives the old children")
    expect(stored is None or stored.payload not in old, "Redis still has the old value")
    clear(server, sample.code)
    asked = f"{len(instances)} instance{'s' if len(instances) > 1 else ''}"
    yield f"6. The old value was gone at once from Redis and from {asked}; invalidated by hand: nothing in Redis"
    fresh = fill(server, sample.code, "the next GET")
    expect(children(fresh.payload or b"") == [sample.child], "the next GET gives the old children")
    yield "7. GET: X-Cache DB, with the new children, and stored again"
    hit = server.read(sample.code)
    require_hit(hit, fresh, "the GET after it", Source.LOCAL, Source.REDIS)
    yield f"8. GET: X-Cache {hit.source}, the same bytes"


def check_sharing(instances: Sequence[Instance], sample: Sample) -> Iterator[str]:
    """What one instance stored, the others get from Redis without asking the database."""
    server, first, *others = instances
    for instance in instances:
        instance.invalidate(sample.code)  # each in its own Redis, if they have several
    stored = fill(first, sample.code, f"{first.name}'s GET")
    for instance in (*others, server):
        require_hit(instance.read(sample.code), stored, f"{instance.name}'s GET", Source.REDIS)
    yield "   One instance filled the cache; each other's next GET: X-Cache L2, the same bytes"


def check_restart(before: Stored | None, token: str, sample: Sample) -> Iterator[str]:
    """A value outlives the processes that stored and read it, and serves the next process's first read."""
    if before is None:
        raise NotObserved("there was nothing in Redis that could survive")
    with own_instance("Instance C", token) as restarted:
        kept = find_stored(sample.code)
        if kept is None or kept.payload != before.payload:
            raise NotObserved("the value was not in Redis any more")
        expect(kept.ttl_ms <= before.ttl_ms, "the value was stored anew, it did not survive")
        require_hit(restarted.read(sample.code), before, "the first GET after a restart", Source.REDIS)
    yield "   Stopped A and B, started C: the value was still in Redis, and C's first GET: X-Cache L2, the same bytes"


def find_stored(code: str) -> Stored | None:
    """The value in Redis, read directly."""
    return EntryView(ENTITY, code).stored(patient=True)


def clear(server: Instance, code: str) -> None:
    server.invalidate(code)
    expect(find_stored(code) is None, "after it was invalidated by hand, Redis still has a value")


def fill(instance: Instance, code: str, which: str) -> Stored:
    """Read it from the database; returns what is in Redis then, the same, which expires within the TTL."""
    answer = instance.read(code)
    expect(answer.source == Source.DATABASE, f"{which} came from {answer.source or 'nowhere known'}, not from the DB")
    stored = find_stored(code)
    if stored is None:
        raise NotObserved("after a GET there is nothing in this command's Redis")
    expect(stored.payload == answer.body, "Redis has something else than was answered")
    expect(0 < stored.ttl_ms <= ENTITY.ttl_seconds * 1000, f"it lives for {stored.ttl_ms} ms in Redis")
    return stored


def require_hit(answer: Answer, stored: Stored, which: str, *sources: Source) -> None:
    """The answer came from the cache, and is what Redis has."""
    wanted = " or ".join(sources)
    expect(answer.source in sources, f"{which} came from {answer.source or 'nowhere known'}, not from {wanted}")
    expect(answer.body == stored.payload, f"{which} is not what Redis has")


def read_past_local_copy(instance: Instance, code: str) -> Answer:
    """Read until the instance's in-memory copy has expired and it must ask Redis."""
    deadline = time.monotonic() + LEASE_LIMIT_SECONDS
    pause_seconds = Options.current().local_lease_ms / 1000
    while (answer := instance.read(code)).source == Source.LOCAL and time.monotonic() < deadline:
        time.sleep(pause_seconds)
        pause_seconds *= 2  # frequent reads keep renewing the copy
    return answer


def children(body: bytes) -> list[str]:
    return list(json.loads(body)["child_entity_codes"])


def expect(seen: bool, otherwise: str) -> None:
    if not seen:
        raise NotObserved(otherwise)
