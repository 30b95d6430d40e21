"""Reads the environment: variables, host names and addresses."""
