"""What people are helped with as they type: icons by what they mean, and likely plurals."""
