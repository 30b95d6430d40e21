"""Counts what happened, in totals across processes."""
