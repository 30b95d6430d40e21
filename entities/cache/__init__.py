"""Cache operations on entity types: dropping, warming, reporting, and the audit log."""
