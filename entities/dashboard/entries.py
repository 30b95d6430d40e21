"""A page of entries: the cached state and the counters of each entity type."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Q, TextChoices
from redis.exceptions import RedisError

from cache_layer.inspect import EntryActivity, EntryState, Kind
from entities.cache import wording
from entities.dashboard.charts import CAUSES
from entities.lookups import ENTITY
from entities.models import Entity

PAGE_ENTRIES = 50


class Filter(TextChoices):
    """Which entries are listed."""

    ALL = "all", "All"
    CACHED = "cached", "Cached"
    NOT_CACHED = "not_cached", "Not cached"
    BEING_WRITTEN = "being_written", "Being written"


KINDS = {
    Filter.CACHED: (Kind.CACHED,),
    Filter.NOT_CACHED: (Kind.NOT_CACHED, Kind.BEING_FILLED, Kind.KNOWN_ABSENT),
    Filter.BEING_WRITTEN: (Kind.BEING_WRITTEN,),
}


class Entry(NamedTuple):
    """One entity type's entry; `activity` is None while Redis, which has the counts, does not answer."""

    row: Entity
    state: EntryState
    activity: EntryActivity | None

    @property
    def age(self) -> str:
        """Time since it was filled, from its TTL; a write-through counts as a fill."""
        if self.state.ttl_seconds is None:
            return ""
        return wording.duration(max(0, ENTITY.ttl_seconds - self.state.ttl_seconds))

    @property
    def filled(self) -> str:
        """When it was last filled: as last reported, or for cached entries from the TTL."""
        if self.state.ttl_seconds is not None:
            return wording.clock(time.time() - ENTITY.ttl_seconds + self.state.ttl_seconds)
        return wording.moment(self.activity.stored_s) if self.activity and self.activity.stored_s else ""

    @property
    def size(self) -> str:
        return "" if self.state.payload_bytes is None else wording.size(self.state.payload_bytes)

    @property
    def hits_today(self) -> str:
        return wording.count(self.activity.hits_today) if self.activity else wording.UNKNOWN

    @property
    def hits_since_stored(self) -> str:
        hits = self.activity and self.activity.hits_since_stored
        return "" if hits is None else wording.count(hits)

    @property
    def invalidated(self) -> datetime | None:
        seconds = self.activity and self.activity.invalidated_s
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    @property
    def cause(self) -> str:
        cause = (self.activity and self.activity.cause) or ""
        return CAUSES.get(cause, cause)


def list_entries(search: str, chosen: Filter, number: int) -> tuple[Page[Entry], bool]:
    """
    A page of the entries with `search` in their code or label, in the database's order, and whether Redis answered.

    It takes two round trips to Redis; a filter by state checks every entry, with one more for every few hundred.
    """
    found = Entity.objects.all()
    if search:
        found = found.filter(Q(code__icontains=search) | Q(label__icontains=search))
    answers = True
    if chosen is not Filter.ALL:
        states = EntryState.of(ENTITY, found.values_list("code", flat=True))
        answers = all(state.kind is not Kind.UNKNOWN for state in states.values())
        found = found.filter(code__in=[code for code, state in states.items() if state.kind in KINDS[chosen]])
    page = Paginator(found, PAGE_ENTRIES).get_page(number)
    page.object_list = entries = entries_of(list(page))
    return page, answers and all(entry.activity for entry in entries)


def read_one(code: str) -> Entry:
    """The entry of one code, whether or not the database has it."""
    row = Entity.objects.filter(code=code).first() or Entity(code=code, label=code, active_flag=False)
    return entries_of([row])[0]


def entries_of(rows: list[Entity]) -> list[Entry]:
    """These rows' entries, in two round trips to Redis."""
    codes = [row.code for row in rows]
    states = EntryState.of(ENTITY, codes)
    activity: dict[str, EntryActivity] = {}
    if all(state.kind is not Kind.UNKNOWN for state in states.values()):
        with suppress(RedisError):
            activity = EntryActivity.read(ENTITY, codes)
    return [Entry(row, states[row.code], activity.get(row.code)) for row in rows]
