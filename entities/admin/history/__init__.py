"""The versions of an entity type: seen, compared and restored."""
