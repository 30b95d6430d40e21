"""A client of Redis that answers whole and in time, or raises `CacheUnavailable`."""
