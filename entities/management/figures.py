"""Cache figures in words, for commands."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat

from cache_layer.inspect import ServerStatus


def describe_memory(server: ServerStatus) -> str:
    """The memory the server uses, and its limit."""
    used = filesizeformat(server.used_memory_bytes)
    limit = f"of {filesizeformat(server.max_memory_bytes)}" if server.max_memory_bytes else "without a limit"
    return f"{used}, {limit}".replace("\xa0", " ")


def describe_duration(seconds: int) -> str:
    """In the two largest units."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    return (
        f"{days} d {hours} h" if days else f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
    )


def percent_of(ratio: float | None) -> str:
    return "no reads" if ratio is None else f"{ratio:.1%}"
