"""Whether the running system caches as it promises: looked at from outside, over HTTP and in Redis."""
