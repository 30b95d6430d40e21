"""Fixtures of stepwise histories."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interleavings.entries import LEASE_MS


@pytest.fixture
def stepwise_options(set_options: Callable[..., None]) -> None:
    """Nothing ends by itself while a history is played: what lapses does so in a step of its own."""
    set_options(
        local_lease_ms=LEASE_MS,
        hold_ms=3_600_000,
        fill_lease_ms=3_600_000,
        fill_wait_ms=10,
        stale_seconds=3_600,
    )
