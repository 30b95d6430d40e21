"""A Django database backend: Django's PostgreSQL backend with every wait bounded by the deadline of the work."""
