"""
The fault matrix: two web servers behind small proxies, Redis and PostgreSQL failing in every way at once, and what each
request is answered meanwhile and afterwards.

`python -m tests.outages --help`
"""
