"""Cache operations on entity types: dropping, warming, and the audit log."""
