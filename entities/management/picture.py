"""What one look at the engines found, for `cache_status`."""

from dataclasses import dataclass

from cache_layer import CacheUnavailable
from cache_layer.inspect import Backlog, EntryActivity, EntryState, Health, Kind, Series, ServerStatus, Span
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity


@dataclass(frozen=True)
class Picture:
    """
    The state of the cache.

    Attributes:
        entity_types: how many the database has.
        states: of the first ones, in display order.
        listed: of the list of all.
        hour, recent: what readers counted.
        activity: of the same types.
    """

    entity_types: int
    states: dict[str, EntryState]
    listed: EntryState
    server: ServerStatus
    hour: Series
    recent: Series
    health: Health
    activity: dict[str, EntryActivity]

    @property
    def backlog(self) -> Backlog:
        """Committed changes that may not have reached the cache yet."""
        return self.health.backlog or Backlog(0, 0.0)


def take_picture(limit: int | None = None) -> Picture:
    """
    Read the cache's state, with one round trip more for every few hundred entries.

    Args:
        limit: how many entity types to look at individually; None for all.
    Raises:
        CacheUnavailable: Redis did not answer.
        django.db.Error: PostgreSQL did not.
    """
    server = ServerStatus.read()
    codes = list(Entity.objects.values_list("code", flat=True))
    looked_at = codes[:limit]
    *states, listed = EntryState.of_entries(ENTITY.entries(*looked_at) + ENTITY_TYPES.entries())
    if any(state.kind is Kind.UNKNOWN for state in (*states, listed)):
        raise CacheUnavailable("Redis has just stopped answering.", refused=False)
    hour = Series.read(Span.HOUR)
    health = Health.look(counters=(hour, server))
    states_of = dict(zip(looked_at, states, strict=True))
    activity = EntryActivity.read(ENTITY, looked_at)
    return Picture(len(codes), states_of, listed, server, hour, Series.recent(hour), health, activity)
