"""The standby: a relay in each web process, so that nobody has to think of starting one."""

from __future__ import annotations

from threading import Event

from cache_layer.background import run_in_background
from cache_layer.options import get_options


def start_standby() -> None:
    """Stand by to relay, in a thread of this process and of those forked from it, where the setting allows it."""
    if get_options().relay:
        run_in_background("cache-relay", _stand_by)


def _stand_by() -> None:
    from cache_layer.upkeep.relay import run_relay  # needs models, which are there when all apps are

    run_relay(Event())
