"""Replays whole answers while everything they rest on is unchanged."""
