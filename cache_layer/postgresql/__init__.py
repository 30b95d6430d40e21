"""Django's PostgreSQL backend with a COMMIT that waits for the copies: `ENGINE = "cache_layer.postgresql"`."""
