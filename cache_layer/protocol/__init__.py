"""The steps of the coherence protocol, each one atomic script."""
