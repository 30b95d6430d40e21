"""Between the socket and the views: what every request and answer goes through."""
