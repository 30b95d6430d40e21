"""Which process relays, as PostgreSQL knows it."""

import psycopg

RELAYING = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND datname = current_database()
    AND application_name LIKE 'relay of process %'
"""


def find_relaying(session: psycopg.Connection) -> int | None:
    """The process that relays, of those on this session's database."""
    found = session.execute(RELAYING).fetchone()
    return int(found[0].split()[-1]) if found else None
