"""Logs: one event a line, as JSON, or as aligned `key=value` text on a terminal."""

import sys
from pathlib import Path
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import Processor

from pmo.environment.variables import shown

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
OUR_LOGGERS = ("cache_layer", "entities", "pmo")

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_config(*, level: str, file: str) -> dict[str, Any]:
    """
    The `dictConfig` for the standard library's logging, rendered by structlog.

    Args:
        level: `DEBUG` includes cache hits.
        file: where a JSON copy is appended; empty for none.
    Raises:
        ImproperlyConfigured: the file cannot be written.
    """

    def formatter(renderer: Processor) -> dict[str, Any]:
        return {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": SHARED,
            "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        }

    on_terminal = sys.stderr.isatty()
    handlers: dict[str, Any] = {
        "stderr": {"class": "logging.StreamHandler", "formatter": "console" if on_terminal else "json"},
    }
    if file:
        try:
            Path(file).open("a").close()
        except OSError as error:
            raise ImproperlyConfigured(
                f"LOG_FILE is {shown(file)}: {error.strerror}. Name a file in an existing directory."
            ) from None
        handlers["file"] = {"class": "logging.handlers.WatchedFileHandler", "filename": file, "formatter": "json"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": formatter(structlog.processors.JSONRenderer(ensure_ascii=False)),
            "console": formatter(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)),
        },
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": "WARNING"},
        "loggers": {name: {"level": level} for name in OUR_LOGGERS} | {"django.request": {"level": "ERROR"}},
    }
