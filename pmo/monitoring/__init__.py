"""What a running server reports: health, metrics, logs and traces."""
