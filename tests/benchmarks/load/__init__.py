"""Requests, many at a time: generators that keep a server busy, and one with a fixed rate."""
