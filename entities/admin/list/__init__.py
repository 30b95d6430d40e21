"""The list of entity types: what it shows, its order, and what is done to several at once."""
