"""Who may do what: logins, tokens, and cached user data."""
