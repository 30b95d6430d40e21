"""The history of all entity types, deleted ones included: by whom, from where, and how to undo it."""
