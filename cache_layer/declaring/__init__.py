"""Makes a model coherent in a few lines, on top of `Lookup`."""
