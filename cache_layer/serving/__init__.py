"""Replays whole responses while everything they rest on is unchanged."""
