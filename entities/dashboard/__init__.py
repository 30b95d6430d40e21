"""The cache dashboard at `/admin/cache/`: the cache's figures, all entries, and the operators' actions."""
