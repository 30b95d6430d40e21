"""Who may do what: sign-ins, tokens, sessions, and what is cached of people."""
