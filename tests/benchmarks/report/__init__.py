"""What a run found: the required ratios, the tables, the page and its chart."""
