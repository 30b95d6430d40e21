"""The cached entity types for operators: dropping, warming, reporting, and the log of it."""
