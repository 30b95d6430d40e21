"""Tell the cache of changes made behind Django's back, until stopped."""

from __future__ import annotations

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand

from cache_layer.invalidation.relay import run_relay


class Command(BaseCommand):
    help = "Relays changes made by psql, COPY, TRUNCATE and other services to the cache. Several may run; one works."

    def handle(self, **_: Any) -> None:
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        run_relay(stop)
