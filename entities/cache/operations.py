"""The audit log of what people do with the cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError

from cache_layer import current_origin
from entities.models import CacheOperation

logger = logging.getLogger("entities")

EVERYTHING = "all"
MOST_CODES = 100
"""Of an operation on more the first are named, and how many more there were."""


@contextmanager
def recorded(
    operation: CacheOperation.Operation,
    codes: Sequence[str] | None,
    *,
    username: str,
    reason: str = "",
    tag: str = "",
) -> Iterator[CacheOperation]:
    """
    Note in the audit log that somebody did this, also if it fails.

    The block sets `result` of what it is given. Without the database the log has it, and the operation goes on.

    Args:
        codes: on what; None for everything.
        tag: by which they were chosen, if they were.
    """
    record = CacheOperation(
        username=username,
        origin=current_origin(),
        operation=operation,
        subject=describe_subject(codes, tag),
        reason=reason,
    )
    try:
        yield record
    except Exception as error:
        record.result = f"failed: {error}"
        raise
    finally:
        noted = {name: getattr(record, name) for name in ("username", "origin", "operation", "subject", "result")}
        logger.info("Cache operated", extra=noted | {"reason": reason})
        try:
            record.save(force_insert=True)
        except DatabaseError as error:
            logger.error("Audit log not written", extra=noted | {"error": str(error)})


def describe_subject(codes: Sequence[str] | None, tag: str = "") -> str:
    """`project, task`; `all` for None; `under:project (project, task)` by tag."""
    if codes is None:
        return EVERYTHING
    more = f" and {len(codes) - MOST_CODES} more" if len(codes) > MOST_CODES else ""
    listed = ", ".join(codes[:MOST_CODES]) + more
    return f"{tag} ({listed})" if tag else listed
