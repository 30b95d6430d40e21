"""What `make run` starts and watches: engines for development, and the web server."""
