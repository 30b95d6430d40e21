"""A TCP proxy in front of an engine, whose manners can be changed while connections are open."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PassOn = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


class Mode(Enum):
    """What the proxy does."""

    PASS = "passes everything on"
    SLOW = "passes everything on, late"
    TRICKLE = "passes questions on, and answers byte by byte"
    HANG = "accepts everything and passes it on when it stops hanging, as a cut network does"
    REFUSE = "listens no more; connections are reset"
    END = "accepts connections and ends them at once"


class Proxy:
    """
    Listens on a port of the loopback address, in a thread of its own.

    Args:
        connect: opens a connection to the engine.
        delay_seconds: how long a question and its answer take longer in the mode `SLOW`, and each byte of an answer in
            the mode `TRICKLE`.
    """

    def __init__(self, connect: Callable[[], Awaitable[Streams]], delay_seconds: float) -> None:
        self._connect, self._delay = connect, delay_seconds
        self._mode, self.port = Mode.PASS, 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._begin())

    def set_mode(self, mode: Mode) -> None:
        """Behave so from now on, on open connections too."""
        self._run(self._change(mode))

    def drop_connections(self) -> None:
        """End every open connection."""
        self._run(self._drop())

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _begin(self) -> None:
        self._flows = asyncio.Event()
        self._flows.set()
        await self._listen()

    async def _change(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.HANG:
            self._flows.clear()
        else:
            self._flows.set()
        if mode in (Mode.REFUSE, Mode.END):
            await self._drop()
        if mode is Mode.REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        elif mode is not Mode.REFUSE and self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._change(Mode.REFUSE)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self._mode is not Mode.END:
                await self._flows.wait()
                upstream_reader, upstream_writer = await self._connect()
                self._writers.add(upstream_writer)
                try:
                    await asyncio.gather(
                        self._pump(reader, upstream_writer, self._pass_question),
                        self._pump(upstream_reader, writer, self._pass_answer),
                        return_exceptions=True,
                    )
                finally:
                    self._forget(upstream_writer)
        self._forget(writer)
        self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pass_on: PassOn) -> None:
        try:
            while data := await reader.read(65_536):
                await self._flows.wait()
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(self._delay / 2)
                await pass_on(writer, data)
        finally:
            writer.close()

    async def _pass_question(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def _pass_answer(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        while self._mode is Mode.TRICKLE and data:
            await self._pass_question(writer, data[:1])
            data = data[1:]
            await asyncio.sleep(self._delay)
        await self._pass_question(writer, data)

    def _forget(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()
