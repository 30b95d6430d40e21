"""Hides and deletes entity types, after stating the consequences in the same words everywhere."""
