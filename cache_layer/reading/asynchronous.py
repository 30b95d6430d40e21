"""Reads from coroutines: copies in memory need no thread; reads from Redis or the database wait in one."""

from collections.abc import Iterable
from typing import Any, TypeVar

from asgiref.sync import AsyncToSync, sync_to_async

from cache_layer.lookup import Lookup
from cache_layer.reading.reads import peek_copy, read_entries

Document = TypeVar("Document")


async def aread_documents(lookup: Lookup[Document], identifiers: Iterable[str]) -> dict[str, Document | None]:
    """The documents, read as by `read_entries`; None where there is none."""
    wanted = list(dict.fromkeys(identifiers))
    documents: dict[str, Any] = {}
    # If `async_to_sync` runs this coroutine, its caller may be in a transaction that changes what we read. The caller
    # waits in another thread, and `sync_to_async` returns there. Checked against asgiref 3.13, which keeps its executor
    # here; `test_a_coroutine_inside_a_transaction_reads_its_own_write` would notice a change.
    if getattr(AsyncToSync.executors, "current", None) is None:
        copies = ((identifier, peek_copy(lookup, identifier)) for identifier in wanted)
        documents = {identifier: copy.document for identifier, copy in copies if copy is not None}
    rest = [identifier for identifier in wanted if identifier not in documents]
    if rest:
        reads = await sync_to_async(read_entries)(lookup, rest)
        documents |= {identifier: read.document for identifier, read in reads.items()}
    return {identifier: documents[identifier] for identifier in wanted}
