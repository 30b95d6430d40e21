"""What the environment says: variables, names and addresses."""
