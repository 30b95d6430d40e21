"""Maintenance: the relay of SQL changes, clearing, tags, the audit."""
