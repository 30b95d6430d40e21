"""The write path: hold, change, drain, commit, release."""
