"""The form of one entity type, with its cache entry."""
