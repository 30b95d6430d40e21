"""`python -m tests.apart FUNCTION ARGUMENTS`: what a function gives in a process with Django set up; both as JSON."""

import json
import sys
from pkgutil import resolve_name

import django

if __name__ == "__main__":
    django.setup()
    json.dump(resolve_name(sys.argv[1])(*json.loads(sys.argv[2])), sys.stdout)
