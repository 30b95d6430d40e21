"""What is told of a running server: health, metrics, logs and traces."""
