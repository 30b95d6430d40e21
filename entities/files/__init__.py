"""Entity types as files: the catalogue, backups, and tables that people export and import."""
