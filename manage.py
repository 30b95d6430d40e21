#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")
    import django
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    django.setup()
    from pmo.provenance import running_command

    try:
        with running_command(" ".join(sys.argv[1:2])):
            execute_from_command_line(sys.argv)
    except OperationalError as error:
        sys.exit(f"The database does not do its work: {error}")
