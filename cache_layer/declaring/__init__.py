"""A model made coherent in a few lines, over `Lookup`."""
