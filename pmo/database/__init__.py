"""A Django database backend: Django's own for PostgreSQL, whose waits end when the time of the work is over."""
