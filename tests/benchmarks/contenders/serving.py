"""What Granian loads for the contenders that are Django projects of their own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


def load_application() -> Callable[..., Any]:
    """As `pmo.serve.load_application`, for the settings in DJANGO_SETTINGS_MODULE and with nothing of ours around."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
