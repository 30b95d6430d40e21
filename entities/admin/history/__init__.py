"""The versions of an entity type: view, compare and restore."""
