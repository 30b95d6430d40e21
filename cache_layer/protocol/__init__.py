"""The coherence protocol's steps, each one atomic script."""
