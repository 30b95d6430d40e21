"""The map of entity types: a picture of what is inside what."""
