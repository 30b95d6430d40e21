"""The list of entity types: its columns, order and bulk actions."""
