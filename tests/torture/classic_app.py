"""The app that puts the classic algorithm in the cache layer's place; it is imported before any model can be."""

from __future__ import annotations

from django.apps import AppConfig


class ClassicConfig(AppConfig):
    name = "tests.torture"
    label = "torture_classic"

    def ready(self) -> None:
        """After all other apps."""
        from tests.torture.classic import replace_coherence

        replace_coherence()
