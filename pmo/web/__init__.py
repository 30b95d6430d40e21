"""Between the socket and the views: what every request and response passes through."""
