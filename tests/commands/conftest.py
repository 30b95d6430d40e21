"""Running commands, also without Redis."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from tests.cache_layer.conftest import caches_at, own_valkey, restart  # noqa: F401 - fixtures
from tests.servers import free_port


def run(command: str, *arguments: str, **options: Any) -> str:
    """What a command prints."""
    output = StringIO()
    call_command(command, *arguments, stdout=output, **options)
    return output.getvalue()


class TerminalFile(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def redis_down() -> Iterator[None]:
    """Nobody listens where the caches point."""
    with caches_at(f"redis://127.0.0.1:{free_port()}/0"):
        yield
