"""What is put right later: SQL behind Django's back, clearing, tags, the audit."""
