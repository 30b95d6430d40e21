"""Entity types as files: the catalogue, backups."""
