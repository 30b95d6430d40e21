"""What `make run` starts and supervises: engines for development, and the web server."""
