"""Help for people as they type: icons by what they mean, and likely plurals."""
