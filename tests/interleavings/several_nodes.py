"""Entries and their stamps on nodes of their own: the client of a cluster, without the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from cache_layer.server.cluster import ClusterRedis, Command
from cache_layer.server.connection import GuardedRedis


class NodesApart(ClusterRedis):
    """
    Of the commands for several entries each is an exchange of its own; a failure of one does not keep others from it.

    All of them go to the one server that there is.
    """

    def __init__(self, client: GuardedRedis, order: str) -> None:
        self._client, self._order = client, order

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._client.execute_command(*args, **options)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        answers: list[Any] = [None] * len(commands)
        places = range(len(commands))
        for place in reversed(places) if self._order == "in reverse" else places:
            args, options = commands[place]
            try:
                answers[place] = self.execute_command(*args, **options)
            except RedisError as error:
                answers[place] = error
        return answers
