"""Memory, then Redis, then the database."""
