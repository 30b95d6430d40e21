"""`make matrix`: the suite on every declared Python, Django, PostgreSQL and Redis or Valkey that can be had here."""
