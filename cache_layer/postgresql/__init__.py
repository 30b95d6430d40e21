"""A Django database backend, `ENGINE = "cache_layer.postgresql"`: Django's own, whose COMMIT waits for the copies."""
