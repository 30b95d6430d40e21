"""What this process may serve, and what this thread is changing."""
