"""A Redis client that answers completely and in time, or raises `CacheUnavailable`."""
