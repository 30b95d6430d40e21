"""The map of entity types: a picture of which contains which."""
