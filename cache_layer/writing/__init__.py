"""Hold, change, drain, commit, release."""
