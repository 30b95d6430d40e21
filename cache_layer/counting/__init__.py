"""What happened, in totals across processes."""
