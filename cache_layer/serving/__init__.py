"""Whole answers, given again while what they rest on holds."""
