"""Cache operations on entity types: dropping, warming, and the audit log; and the cache's figures in words."""
