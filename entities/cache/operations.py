"""The audit log of what people do with the cache."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import DatabaseError

from cache_layer import origin
from entities.models import CacheOperation

logger = logging.getLogger("entities")

EVERYTHING = "all"
MAX_CODES = 100
"""Operations on more name the first ones and the number of the rest."""


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
    Record an operation in the audit log, even if it fails.

    The block sets `result` on the yielded row. Without the database the log gets the record, and the operation goes on.

    Args:
        codes: the affected codes; None for everything.
        tag: the tag that selected them, if any.
    """
    record = CacheOperation(
        username=username,
        origin=origin.current(),
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
    more = f" and {len(codes) - MAX_CODES} more" if len(codes) > MAX_CODES else ""
    listed = ", ".join(codes[:MAX_CODES]) + more
    return f"{tag} ({listed})" if tag else listed
