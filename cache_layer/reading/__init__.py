"""Reads from memory, then Redis, then the database."""
