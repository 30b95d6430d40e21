"""Registers the lookups that installed apps declare in their `lookups` modules."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CacheLayerConfig(AppConfig):
    name = "cache_layer"
    verbose_name = "Cache layer"

    def ready(self) -> None:
        from django.apps import apps

        from cache_layer.counting.reporting import report_at_exit
        from cache_layer.inspect import checks  # noqa: F401 - registers them
        from cache_layer.invalidation.after_outbox import order_migrations
        from cache_layer.invalidation.queryset import adopt_managers
        from cache_layer.invalidation.signals import connect_signals
        from cache_layer.lookup import parts_of

        autodiscover_modules("lookups")
        order_migrations()
        for model in apps.get_models(include_auto_created=True):  # proxies and children too: each has its own signals
            if parts_of(model):
                adopt_managers(model)
                connect_signals(model)
        report_at_exit()
