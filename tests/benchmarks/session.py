"""One run: PostgreSQL and Valkey with rows in them, a server for each contender, and what all measures share."""

import contextlib
import json
import random
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from pmo.run.embedded import running_engines
from tests.benchmarks.contenders import CONSTANT, CONTENDERS, Contender
from tests.benchmarks.contenders.constant import ANSWER_VARIABLE
from tests.benchmarks.cores import Cores
from tests.benchmarks.load.generators import find_generator
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import (
    ALL,
    code_of,
    copy_database,
    hot_codes,
    insert_rows,
    libpq_variables,
    saved_codes,
    written_codes,
)
from tests.benchmarks.server import Server
from tests.stage import Processes, StageFailed, is_answering, own_environment, stop
from tests.topologies import find_port
from tests.torture import plan as torture
from tests.torture.run import Outcome, run_torture

SETTLE_SECONDS = 3
TORTURE_SECONDS = 30
NOT_THE_APPLICATIONS = ("server", "date", "connection")
"""Headers that the web server adds by itself."""


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Attributes:
        rounds: how often each contender has its turn, in an order shuffled anew each time.
        seconds: of load, for each turn.
        many: how many entity types "many" are.
        measures: names of those that are asked for.
    """

    measures: Collection[str]
    rounds: int = 5
    seconds: float = 3
    many: int = 100_000
    seed: int = 1


class Session(Processes):
    """
    A run under way.

    Attributes:
        missing: for each contender that cannot take part, why.
        say: tells whoever waits what is being done.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        stack: contextlib.ExitStack,
        missing: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.missing, self.say = plan, missing, say
        self.generator = find_generator()
        self.cores = Cores()
        stack.enter_context(self.cores.given(self.cores.rest))
        endpoints, _ = stack.enter_context(running_engines(directory, durable=False))
        self.database_url, self.redis_port = endpoints.database_url, endpoints.valkey_port
        environment = own_environment(
            directory,
            endpoints.database_url,
            ENVIRONMENT="production",
            ALLOWED_HOSTS="127.0.0.1,localhost",
            BEHIND_TLS_PROXY="false",
            REDIS_HOST="127.0.0.1",
            REDIS_PORT=str(endpoints.valkey_port),
            REDIS_DB="0",
            ACCESS_TOKEN_MINUTES="1440",
            CACHE_RELAY="false",  # what it asks of the engines would be counted with what requests ask
        )
        super().__init__(directory, stack, environment)
        self._running: dict[str, Server] = {}
        self.token: str = self.call("tests.benchmarks.rows:prepare_tables")
        self._crowd: list[str] = []
        self._answer_file = directory / "answer.json"
        if "many" in plan.measures:
            self.many_database_url = copy_database(self.database_url, "many")
            insert_rows(self.many_database_url, plan.many, [])
        written = [code for name in CONTENDERS for code in written_codes(name)]
        insert_rows(self.database_url, ALL, written + saved_codes())

    # --- Who reads what ---

    def one_reader(self) -> Reads:
        """The hot entity types one after the other, by one token."""
        return Reads([self.token], hot_codes())

    def crowd(self, tokens: int, codes: int, seed: int = 1) -> Reads:
        """Tokens of as many users, who read as many entity types at random."""
        if (missing := tokens - len(self._crowd)) > 0:
            self._crowd += self.call("tests.benchmarks.rows:sign_in_users", len(self._crowd), missing)
        return Reads(self._crowd[:tokens], [code_of(number) for number in range(1, codes + 1)], seed)

    def redis(self, database: int = 0) -> Redis:
        """A client of one database, closed at the end."""
        client = Redis(port=self.redis_port, db=database, protocol=2, socket_timeout=60)
        self._stack.callback(client.close)
        return client

    # --- Processes ---

    def servers(self, *names: str) -> dict[str, Server]:
        """Servers of these contenders, without those that are missing; they answer, and have been busy for a while."""
        chosen = [name for name in names if name not in self.missing]
        for name in sorted(chosen, key=lambda each: each == CONSTANT):  # last, since it repeats an answer
            if name not in self._running:
                if name == CONSTANT:
                    self._write_constant_answer()
                self._running[name] = self.start_contender(CONTENDERS[name])
        for name in chosen:
            if not self._running[name].has_settled:  # what compiles itself while it runs has done so
                self._running[name].load(self.one_reader(), SETTLE_SECONDS)
                self._running[name].has_settled = True
        return {name: self._running[name] for name in chosen}

    def take_turns(
        self, names: Collection[str], rounds: int, what: str, turn: Callable[[int, str], Mapping[str, Any]]
    ) -> dict[str, dict[str, list[Any]]]:
        """For each name its figures, one for each round: all have their turns in an order shuffled anew."""
        found: dict[str, dict[str, list[Any]]] = {name: {} for name in names}
        order = list(names)
        shuffled = random.Random(self.plan.seed)
        for number in range(rounds):
            self.say(f"{what}, round {number + 1} of {rounds}")
            shuffled.shuffle(order)
            for name in order:
                for figure, value in turn(number, name).items():
                    found[name].setdefault(figure, []).append(value)
        return found

    def torture(self, **chosen: Any) -> Outcome:
        """What torture found on engines and servers of its own, in half a minute unless `chosen` says otherwise."""
        plan = torture.Plan(**{"seconds": TORTURE_SECONDS, "seed": self.plan.seed, "quiet_writes": 0} | chosen)
        with self.cores.given(self.cores.all):
            return run_torture(plan)

    def start_contender(self, contender: Contender, *, workers: int = 1, cores: list[int] | None = None) -> Server:
        """
        A new server of a contender, on the server's core unless others are given; it answers.

        Raises:
            StageFailed: it ended or stayed silent; its log's last lines are in the message.
        """
        port = find_port()
        command = contender.server_command(port, workers)
        environment = {
            "REDIS_DB": str(contender.redis_db),
            "DJANGO_SETTINGS_MODULE": contender.settings,
            ANSWER_VARIABLE: str(self._answer_file),
            **contender.environment,
        }
        if contender.command:
            environment |= {"PORT": str(port), "NODE_ENV": "production"} | libpq_variables(self.database_url)
        with self.cores.given(self.cores.server if cores is None else cores):
            process = self.start(command, f"{contender.name}-{port}", **environment)
        self.wait_until(lambda: is_answering(port), process)
        return Server(contender, port, process, self.generator)

    def stop_server(self, server: Server) -> None:
        stop(server.process)

    def call_on_server_core(self, function: str, *arguments: Any, **environment: str) -> Any:
        """As `call`."""
        with self.cores.given(self.cores.server):
            return self.call(function, *arguments, **environment)

    @contextlib.contextmanager
    def distant_redis(self, milliseconds: int) -> Iterator[int]:
        """The port of a Redis to which a question and its answer take so much longer."""
        if not milliseconds:
            yield self.redis_port
            return
        port, module = find_port(), "tests.outages.proxy"
        way = self.start([sys.executable, "-m", module, str(port), str(self.redis_port), str(milliseconds)], module)
        with contextlib.closing(Redis(port=port)) as client:
            self.wait_until(lambda: bool(client.ping()), way)
        yield port
        stop(way)

    def _write_constant_answer(self) -> None:
        """What ours gives for the first hot code, from memory."""
        ours = self._running["lane"] if "lane" in self._running else self._running["django"]
        path = f"/api/v1/entity/type/{hot_codes()[0]}"
        ours.ask(self.token, "GET", path)
        answer = ours.ask(self.token, "GET", path)
        if answer.status != 200:
            raise StageFailed(f"{ours.contender.name} answers {answer.status}: {answer.body[:200]!r}")
        headers = [(name, value) for name, value in answer.headers.items() if name not in NOT_THE_APPLICATIONS]
        told = {"status": f"{answer.status} OK", "headers": headers, "body": answer.body.decode()}
        self._answer_file.write_text(json.dumps(told))
