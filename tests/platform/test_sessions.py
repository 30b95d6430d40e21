"""A session ends with its logout, whatever was under way."""

from __future__ import annotations

from typing import Any

import pytest

from pmo.people import sessions
from pmo.people.sessions import SessionStore


def test_a_logout_after_the_last_look_at_the_session_leaves_no_copy_behind(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionStore()
    session["of"] = "root"
    session.save()
    late, exists = SessionStore(session.session_key), sessions.DatabaseStore.exists
    late._cache.delete(late.cache_key)

    def look_just_before_the_logout(self: Any, key: str) -> bool:
        found = exists(self, key)
        monkeypatch.setattr(sessions.DatabaseStore, "exists", exists)
        session.flush()
        return found

    monkeypatch.setattr(sessions.DatabaseStore, "exists", look_just_before_the_logout)
    key = late.session_key
    assert late["of"] == "root", "it was there"
    assert "of" not in SessionStore(key)


def test_a_request_under_way_at_a_logout_does_not_bring_the_session_back(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SessionStore()
    session["of"] = "root"
    session.save()
    late = SessionStore(session.session_key)
    late._cache.delete(late.cache_key)
    find = late._get_session_from_db

    def find_just_before_the_logout() -> Any:
        found = find()
        session.flush()
        return found

    key = late.session_key
    monkeypatch.setattr(late, "_get_session_from_db", find_just_before_the_logout)
    assert late["of"] == "root", "it was asked before"
    assert "of" not in SessionStore(key)
