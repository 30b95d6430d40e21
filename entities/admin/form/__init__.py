"""The form of one entity type, with what is cached of it."""
