"""Checks from outside, over HTTP and in Redis, that the running system caches as promised."""
