#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

EX_PIPE = 141  # as shells report whoever died of a closed pipe: 128 and SIGPIPE


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from entities.management.terminal import suit_any_terminal

    suit_any_terminal()
    try:
        django.setup()
        from pmo.people.provenance import running_command

        with running_command(" ".join(sys.argv[1:2])):
            execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except OperationalError as error:
        sys.exit(f"The database does not do its work: {error}")
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EX_PIPE)


if __name__ == "__main__":
    main()
