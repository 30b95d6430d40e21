"""Tracks who has an entity type's form open, to warn others before they type."""

from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.utils import timezone

LASTS_SECONDS = 30
"""How long after a browser's last ping its user counts as an editor; browsers ping every `EVERY_SECONDS`."""
EVERY_SECONDS = 10
REMEMBERED_SECONDS = 12 * 3600


def note_editor(code: str, user: Any) -> dict[str, datetime]:
    """
    Note that this user has the form open; returns the names of the others who do, with the time since when.

    Redis expires notes that are not renewed, by its own clock; without Redis there are no others.
    """
    index, mine = f"editors:{code}", f"editor:{code}:{user.pk}"
    known: list[int] = cache.get(index) or []
    if user.pk not in known:
        known = [*known, user.pk]
        cache.set(index, known, REMEMBERED_SECONDS)
    found: dict[str, Any] = cache.get_many([f"editor:{code}:{id_}" for id_ in known])
    here = found.pop(mine, None) or [user.get_username(), timezone.now().isoformat()]
    cache.set(mine, here, LASTS_SECONDS)
    return {name: datetime.fromisoformat(since) for name, since in sorted(found.values())}


def forget_editor(code: str, user: Any) -> None:
    """Note that this user has saved and left the form."""
    cache.delete(f"editor:{code}:{user.pk}")
