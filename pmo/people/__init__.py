"""Who may do what: logins, tokens, sessions, and cached user data."""
