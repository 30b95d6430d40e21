"""A page of entries: the cached state and the counters of each entity type."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet, TextChoices
from redis.exceptions import RedisError

from cache_layer.inspect import EntryActivity, EntryState, Kind
from entities.dashboard import wording
from entities.dashboard.charts import CAUSES
from entities.lookups import ENTITY
from entities.models import Entity

PAGE_ENTRIES = 50
NOT_KNOWN = EntryActivity(0, None, None, None, None)
"""The activity of entries while Redis, which has the counts, does not answer."""


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


@dataclass(frozen=True)
class Entry:
    """One entity type's entry."""

    code: str
    label: str
    active: bool
    state: EntryState
    activity: EntryActivity

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
        return wording.moment(self.activity.stored_s) if self.activity.stored_s else ""

    @property
    def size(self) -> str:
        return "" if self.state.payload_bytes is None else wording.size(self.state.payload_bytes)

    @property
    def hits_today(self) -> str:
        return wording.UNKNOWN if self.activity is NOT_KNOWN else wording.count(self.activity.hits_today)

    @property
    def hits_since_stored(self) -> str:
        hits = self.activity.hits_since_stored
        return "" if hits is None else wording.count(hits)

    @property
    def invalidated(self) -> str:
        return wording.moment(self.activity.invalidated_s) if self.activity.invalidated_s else ""

    @property
    def cause(self) -> str:
        cause = self.activity.cause or ""
        return CAUSES.get(cause, cause)


@dataclass(frozen=True)
class Listing:
    """One page, and whether Redis answered."""

    entries: list[Entry]
    page: Page[Entity] | Page[str]
    answers: bool


def list_entries(search: str, chosen: Filter, number: int) -> Listing:
    """
    The entries with `search` in their code or label, in the database's order; two round trips to Redis per page.

    A filter by state has to check all of them: one more round trip for every few hundred.
    """
    found = _find(search)
    if chosen is not Filter.ALL:
        states = EntryState.of(ENTITY, found.values_list("code", flat=True))
        if any(state.kind is Kind.UNKNOWN for state in states.values()):
            return Listing([], Paginator(found.none(), PAGE_ENTRIES).get_page(1), answers=False)
        codes = [code for code, state in states.items() if state.kind in KINDS[chosen]]
        page = Paginator(codes, PAGE_ENTRIES).get_page(number)
        rows = {entity.code: entity for entity in Entity.objects.filter(code__in=list(page))}
        return _describe(page, [rows[code] for code in page if code in rows])
    page_of_rows = Paginator(found, PAGE_ENTRIES).get_page(number)
    return _describe(page_of_rows, list(page_of_rows))


def read_one(code: str) -> Entry:
    """The entry of one code, whether or not the database has it."""
    row = Entity.objects.filter(code=code).first() or Entity(code=code, label=code, active_flag=False)
    (entry,) = _entries([row])[0]
    return entry


def _find(search: str) -> QuerySet[Entity]:
    rows: QuerySet[Entity] = Entity.objects.all()
    return rows.filter(Q(code__icontains=search) | Q(label__icontains=search)) if search else rows


def _describe(page: Page[Entity] | Page[str], rows: list[Entity]) -> Listing:
    entries, answers = _entries(rows)
    return Listing(entries, page, answers)


def _entries(rows: Iterable[Entity]) -> tuple[list[Entry], bool]:
    listed = list(rows)
    states = EntryState.of(ENTITY, [row.code for row in listed])
    answers = not any(state.kind is Kind.UNKNOWN for state in states.values())
    activity: dict[str, EntryActivity] = {}
    if answers:
        try:
            activity = EntryActivity.read(ENTITY, [row.code for row in listed])
        except RedisError:
            answers = False
    return [
        Entry(
            row.code,
            row.label,
            row.active_flag,
            states[row.code],
            activity.get(row.code, NOT_KNOWN),
        )
        for row in listed
    ], answers
