"""What the page says around its figures."""

from __future__ import annotations

INTRODUCTION = """# Benchmarks

Written by `make bench`; change `tests/benchmarks/` instead of this page. Figures are worth little on another machine:
what counts is the ratio of two of them from one run, so both sides of each are measured within the same few seconds,
in turns whose order is shuffled, and the median of the rounds is shown with the slowest and the fastest.
"""

METHOD = """## How it is measured

Every contender answers `GET /api/v1/entity/type/{code}` for a bearer token, from the same rows of one PostgreSQL and
in a database of its own in one Valkey, under Granian with exactly the options of `make run` and one worker. Before
anything is timed, all of them must give the same document for every entity type, whosever token asks, and refuse a
broken token. The contenders are in `tests/benchmarks/contenders/`: Django's default middleware, DRF with SimpleJWT,
connections kept open in the same pool as ours; each cache is configured as its documentation proposes. No trigger of
ours runs when they write. The constant answer is what Granian and WSGI allow at all: a function that returns the same
bytes.

Node is the stack of the platform's own caching document, in `tests/benchmarks/node/`: Fastify, ioredis with `SETEX` of
300 seconds and `DEL` on a change, postgres, and a JSON Web Token that is verified for each request. Its packages are
pinned by a lock file; it takes part where `node` and `npm` are installed. It does not check whether the user of a token
may still read. The classic contender asks the database about the user, but not whether the login has ended.

Every server is under load for three seconds before its first figure: Node compiles its code while it runs.
"""

SECTIONS = {
    "crowd": (
        "Hits over HTTP of a crowd",
        "Each request is made by a token and for an entity type drawn at random, over 16 connections that are never"
        " idle; each token belongs to another user who has signed in. Before each turn every token and every entity"
        " type is read once, as they are when people have worked for some minutes: those hits are what is measured,"
        " and no first visit.",
    ),
    "throughput": (
        "Hits over HTTP of one reader",
        "25 entity types are read one after the other over 16 connections that are never idle. `processor` is the"
        " server's time on its core for each answer. Where less than the whole core is in use, the load generator"
        " or an engine was the limit.",
    ),
    "costs": (
        "What a request asks of the engines",
        "Counted from PostgreSQL's log and Redis' MONITOR, on a server that does nothing else; without BEGIN and"
        " COMMIT. The express lane's commands are the renewal of what is in use: every six tenths of a lease,"
        " however many requests there are.",
    ),
    "process": (
        "In process",
        "The same loop around each. The bare `GET` uses the same class of connection (hiredis) and does nothing with"
        " what it gets.",
    ),
    "changes": (
        "Changes",
        "From the request to the whole answer. A change of ours waits until no process can still use a copy in its"
        " memory: the drain, of at most `CACHE_LOCAL_LEASE_MS`. Readers are 16 connections that are"
        " never idle; 50 ms pass between two changes.",
    ),
    "writers": (
        "Many writers",
        "Each of six writers changes an entity type of its own again as soon as that was acknowledged; twelve"
        " connections read all six at random.",
    ),
    "lease": (
        "Shorter leases",
        "What hits are lost by a shorter `CACHE_LOCAL_LEASE_MS`. A process between server and Redis makes questions and"
        " answers take longer; the round trip is measured through it.",
    ),
    "hits": (
        "What a crowd asks of PostgreSQL",
        "Every token has been seen before. What the server asks while nobody reads is not counted.",
    ),
    "ended": (
        "Tokens that are ended",
        "A token is in use on one server while another answers a logout, or another process saves the user by Django's"
        " ORM. Counted are reads that begin after that has returned, for about a second.",
    ),
    "saves": (
        "Many saves in one transaction",
        "A change waits until no process can still use a copy in its memory. How often a transaction waits is what it"
        " takes longer with such copies than without.",
    ),
    "behind": (
        "SQL behind Django's back",
        "As `make torture` judges it, in half a minute without faults: how long after its commit the last read began"
        " that gave the old version.",
    ),
    "memory": (
        "Memory",
        "Resident memory of all processes of a server with one worker, which has answered one read of each token, each"
        " of another user.",
    ),
    "tail": (
        "The slowest hits",
        "Requests come at a fixed rate whether or not earlier ones were answered, and latency counts from when they"
        " were due. Only answers from memory or Redis are looked at: while a key is being changed it is read from the"
        " database.",
    ),
    "many": (
        "Few and many entity types",
        "The same 25 are read, among so many. The raw pipelines write and drop the same keys and values, 500 at a time,"
        " and read no database. Warming does: two fifths of its time the rows are read and made into documents, and as"
        " much goes into the two scripts, which look for a writer, a marker and another's lease before anything is"
        " stored. To come near a raw SET it would take documents made by PostgreSQL itself, and several processes."
        " Clearing names ten keys where the raw pipeline names one: value, lease, holds, last holder, absence and last"
        " known value, and the four that readers of the next schema version may serve or fill.",
    ),
    "startup": ("Start", "From starting Granian to the first 200 on `/healthz`."),
    "scaling": (
        "One and two workers",
        "Server, load generator and engines share all cores here: what the load generator takes, a second worker"
        " cannot have. Workers share nothing but Redis and the database, so on a machine with a core for each they add"
        " up until the load generator, or for misses the database, is the limit.",
    ),
}

AGAIN = """## Again

```bash
make bench                                            # everything, this page and its chart; twenty minutes
make bench ARGS="--also lease,memory"                 # with what takes long
make bench ARGS="--only crowd,changes --rounds 3"     # a part of it, printed only
make bench ARGS="--json figures.json --no-docs"       # every single figure
make bench ARGS=--help
```
"""
