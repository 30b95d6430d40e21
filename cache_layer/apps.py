"""Registers what the installed apps declare in their `lookups` modules."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CacheLayerConfig(AppConfig):
    name = "cache_layer"
    verbose_name = "Cache layer"

    def ready(self) -> None:
        from cache_layer import checks  # noqa: F401 - registers them
        from cache_layer.invalidation.signals import connect_signals
        from cache_layer.lookup import registered_lookups
        from cache_layer.reporting import report_at_exit

        autodiscover_modules("lookups")
        for lookup in registered_lookups():
            connect_signals(lookup.model)
        report_at_exit()
