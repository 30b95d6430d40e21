"""Entity types as files: the catalogue, backups, and tables for export and import."""
