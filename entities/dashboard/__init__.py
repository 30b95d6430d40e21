"""The cache dashboard at `/admin/cache/`: what the cache does, every entry of it, and what operators may do."""
