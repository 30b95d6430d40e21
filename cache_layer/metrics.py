"""
Every counter and histogram of the cache layer, with its unit. They are prometheus-client's where that is installed
(`pip install cache-layer[metrics]`), shared by all processes of a machine if PROMETHEUS_MULTIPROC_DIR is set.

Label values are few and known in advance: never a key, a code or a token. `activity` counts by entry.
"""

try:
    from prometheus_client import Counter, Gauge, Histogram
except ImportError:
    from cache_layer.plain_metrics import Counter, Gauge, Histogram  # type: ignore[assignment] # they act alike

TOTALS = (Counter, Histogram)
"""The metric types that can be summed across processes."""
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ANSWER_TIMES = (
    *(float(f"{digits}e{power}") for power in range(-6, 0) for digits in (1, 1.5, 2, 3, 4.5, 7)),
    *(1.0, 2.0, 5.0),
)
"""From a microsecond to a second, each bound is about 1.5 times the one before."""

# --- Reading ----------------------------------------------------------------------------------------------------------

READS = Counter("cache_reads", "Entries read, by where they came from: L1, L2, DB, BYPASS, STALE.", ["source"])
REPLAYS = Counter("cache_replays", "Responses that the express lane replayed from memory, without Django.")
REPLAY_SECONDS = Histogram(
    "cache_replay_seconds", "The time of some of those responses, about one in 64.", buckets=ANSWER_TIMES
)
ANSWER_SECONDS = Histogram(
    "cache_answer_seconds",
    "All other HTTP responses, made by Django or replayed after asking Redis, by the furthest source of an entry in"
    " them; `none` has no entry.",
    ["source"],
    buckets=ANSWER_TIMES,
)
ANSWER_ERRORS = Counter("cache_answer_errors", "HTTP responses with a status of 500 or more.")
FILLS = Counter(
    "cache_fills", "Entries loaded under a lease: stored, absent, refused, not_cacheable, failed.", ["outcome"]
)
REFRESHES = Counter("cache_refreshes", "Values reloaded shortly before they would have expired.")
BYPASSES = Counter(
    "cache_bypasses",
    "Entries read from the database and not cached: held, filling, own_write, not_cacheable, refused, redis.",
    ["reason"],
)
REFUSED_VALUES = Counter("cache_refused_values", "Bytes under our keys that are not documents: counted as misses.")
LOAD_SECONDS = Histogram("cache_load_seconds", "Queries that load entries from the database.", buckets=SECONDS)

# --- Changing ---------------------------------------------------------------------------------------------------------

INVALIDATIONS = Counter(
    "cache_invalidations",
    "Entries invalidated: by a write of the admin, api or command; by sql (the relay), clear, audit or restart.",
    ["cause"],
)
HOLDS = Counter("cache_holds", "Holds that writers placed.")
HOLDS_ENDED = Counter("cache_holds_ended", "Holds that writers ended: stored, released, lost.", ["outcome"])
UNHELD_WRITES = Counter(
    "cache_unheld_writes",
    "Writes that went on without a hold: Redis refused, or stayed silent (then readers may see the old value late).",
    ["reason"],
)
REFUSED_WRITES = Counter("cache_refused_writes", "Writes refused by the policy `strict`.")
UNTOLD_RELEASES = Counter("cache_untold_releases", "Releases that did not reach Redis; the relay delivers them later.")
DRAINS = Counter("cache_drains", "Waits of writers for the end of every local lease.")

# --- Engines, relay and audit -----------------------------------------------------------------------------------------

REDIS_SECONDS = Histogram("cache_redis_seconds", "Exchanges with Redis that succeeded.", ["client"], buckets=SECONDS)
REDIS_FAILURES = Counter("cache_redis_failures", "Exchanges with Redis that failed: refused, silent.", ["kind"])
RECONNECTS = Counter("cache_redis_restarts", "Connections that found another run of the server, and purged it.")
BREAKER_OPEN = Gauge("cache_breaker_open", "1 while readers do not ask Redis.", multiprocess_mode="livemax")
RELAYED_CHANGES = Counter(
    "cache_relayed_changes", "Changes made behind Django's back that the relay delivered to the cache."
)
RELAY_LAG_SECONDS = Histogram(
    "cache_relay_lag_seconds", "From a change to its invalidation by the relay.", buckets=SECONDS
)
RELAY_WORKING = Gauge("cache_relay_working", "1 in the relay that has the lock.", multiprocess_mode="livemax")
AUDITED_VALUES = Counter("cache_audited_values", "Values compared with the database.")
MISMATCHES = Counter("cache_audit_mismatches", "Values that did not match what is committed, and were dropped.")
AUDITED_AT = Gauge("cache_audited_timestamp_seconds", "When the last comparison ended.", multiprocess_mode="max")

SOURCES = ("L1", "L2", "DB", "BYPASS", "STALE")
KNOWN_LABELS = {
    READS: SOURCES,
    ANSWER_SECONDS: (*SOURCES, "none"),
    FILLS: ("stored", "absent", "refused", "not_cacheable", "failed"),
    BYPASSES: ("held", "filling", "own_write", "not_cacheable", "refused", "redis"),
    INVALIDATIONS: ("admin", "api", "command", "sql", "clear", "audit", "restart"),
    HOLDS_ENDED: ("stored", "released", "lost"),
    UNHELD_WRITES: ("refused", "silent"),
    REDIS_SECONDS: ("reader", "writer"),
    REDIS_FAILURES: ("refused", "silent"),
}
for metric, values in KNOWN_LABELS.items():
    for value in values:
        metric.labels(value)  # starts it at 0, so that the first event shows as an increase
