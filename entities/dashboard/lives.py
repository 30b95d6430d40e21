"""How well the TTL fits: how entries end, and how many reads each served."""

from cache_layer.inspect import Series
from entities.cache.wording import UNKNOWN, about, count, whole_percent

MIN_LIVES = 20
"""Fewer say nothing about the TTL."""
MOSTLY = 0.5
"""From this share on, a hint says most entries."""
WORTH_READS = 2.0
"""With fewer reads per value, the cache saves little."""


class Lives:
    """
    Lifetimes of cached values within a span.

    Attributes:
        reads: from memory or Redis.
        stored: values stored by readers and writers.
        invalidated, expired, renewed, ended: how many ended that way, or at all.
        reads_each: the average number of reads per stored value; None without one.
        unread, unread_expired: how many were never read, and how many of those expired.
        hours: since the first step with data.
    """

    def __init__(self, series: Series) -> None:
        first = next((step for step, counts in enumerate(series.counts) if counts), len(series.counts) - 1)
        reads, ended, unread = series.totals("reads"), series.totals("ended"), series.totals("unread")
        self.reads = reads.get("L1", 0) + reads.get("L2", 0)
        self.stored = series.total("fills:stored") + series.total("holds_ended:stored")
        self.invalidated, self.expired, self.renewed = (
            ended.get(how, 0) for how in ("invalidated", "expired", "renewed")
        )
        self.unread, self.unread_expired = sum(unread.values()), unread.get("expired", 0)
        self.ended = self.invalidated + self.expired + self.renewed
        self.reads_each = self.reads / self.stored if self.stored else None
        self.hours = (len(series.counts) - first) * series.step_seconds / 3600

    def share(self, number: int) -> float:
        return number / self.ended if self.ended else 0.0


def advise(lives: Lives, ttl_seconds: int) -> str:
    """What these lifetimes say about the TTL, in plain words."""
    if lives.ended < MIN_LIVES:
        return (
            f"Not enough was counted yet to judge how long entries stay (TTL, {ttl_seconds} s):"
            f" {count(lives.ended)} of at least {MIN_LIVES} stored values were dropped or expired."
        )
    unread = lives.share(lives.unread_expired)
    if unread >= MOSTLY:
        return (
            f"{whole_percent(unread)} expire unread: a shorter TTL than {ttl_seconds} s would free memory, a longer"
            " one would not help."
        )
    if lives.share(lives.invalidated) >= MOSTLY:
        return (
            f"{whole_percent(lives.share(lives.invalidated))} are dropped by a change, not by expiry: the TTL of"
            f" {ttl_seconds} s matters little."
        )
    if lives.share(lives.renewed) >= MOSTLY:
        saved = lives.renewed / lives.hours / 2
        return (
            f"Entries are in use when they expire, and are renewed: a TTL twice as long as {ttl_seconds} s"
            f" would save about {about(saved)} queries an hour."
        )
    if lives.reads_each is None or lives.reads_each < WORTH_READS:
        return (
            f"A stored value serves {UNKNOWN if lives.reads_each is None else about(lives.reads_each)} reads on average"
            f": at a TTL of {ttl_seconds} s the cache saves little. A longer one helps if they keep being read."
        )
    return (
        f"A stored value is read about {about(lives.reads_each)} times on average before it ends: {ttl_seconds} s fits."
    )
