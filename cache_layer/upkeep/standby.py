"""The standby: a relay in each web process, so that nobody needs to start one."""

from __future__ import annotations

from threading import Event

from cache_layer.background import run_in_background
from cache_layer.options import get_options


def start_standby() -> None:
    """Stand by to relay, in a thread of this process and of those forked from it, if the setting allows it."""
    if get_options().relay:
        run_in_background("cache-relay", _stand_by)


def _stand_by() -> None:
    from cache_layer.upkeep.relay import run_relay  # needs models, which load after all apps

    run_relay(Event())
