"""A session ends with its logout, whatever was under way."""

from __future__ import annotations

from typing import Any

import pytest

from pmo.sessions import SessionStore


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
