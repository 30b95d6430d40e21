"""A session ends with its logout, whatever was under way."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from pmo.people.sessions import DatabaseStore, SessionStore


@pytest.mark.parametrize(
    ("place", "look"), [(SessionStore, "_get_session_from_db"), (DatabaseStore, "exists")], ids=["first", "last"]
)
def test_a_logout_after_a_look_at_the_session_leaves_no_copy_behind(
    db: None, monkeypatch: pytest.MonkeyPatch, place: Any, look: str
) -> None:
    session = SessionStore()
    session["of"] = "root"
    session.save()
    key, looked = session.session_key, getattr(place, look)
    late = SessionStore(key)
    late._cache.delete(late.cache_key)

    def look_just_before_the_logout(*asked: Any) -> Any:
        found = looked(*asked)
        monkeypatch.setattr(place, look, looked)
        session.flush()
        return found

    monkeypatch.setattr(place, look, look_just_before_the_logout)
    assert late["of"] == "root", "it was there"
    assert "of" not in SessionStore(key)


def test_a_session_that_another_run_of_redis_left_is_purged(db: None, redis_client: Redis) -> None:
    """Else a snapshot would bring back who has logged out since."""
    session = SessionStore()
    session["of"] = "root"
    session.save()
    (kept,) = redis_client.keys("sessions:*")
    redis_client.mset(dict.fromkeys(redis_client.keys("cache_layer:run_id:*"), "another run"))
    redis_client.connection_pool.disconnect()
    assert redis_client.exists(kept) == 0
