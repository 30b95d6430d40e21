"""Hiding and deleting entity types: what it would do is said first, in the same words everywhere."""
