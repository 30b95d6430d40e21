"""The outbox, which stores changes of coherent tables until they are delivered to the cache, and the incidents."""

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.functions import Now

if apps.apps_ready and not apps.is_installed("cache_layer"):
    raise ImproperlyConfigured("Add 'cache_layer' and 'pgtrigger' to INSTALLED_APPS: the outbox is one of its tables.")


class Change(models.Model):
    """
    One changed row of a coherent table, recorded by a trigger in the transaction that changed it.

    The Django writer that made the change, or the relay, deletes it once it is delivered to the cache.
    """

    id = models.BigAutoField(primary_key=True)
    table_name = models.TextField()
    field = models.TextField(help_text="The identifier field; empty if every row may have changed.")
    identifier = models.TextField(help_text="Its value, before or after the change.")
    changed_ts = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "cache_layer_outbox"
        indexes = (models.Index(fields=["table_name", "field", "identifier"], name="cache_layer_outbox_row"),)

    def __str__(self) -> str:
        return f"{self.table_name} {self.field}={self.identifier}"


class Incident(models.Model):
    """
    Something that was wrong for a while, as seen by one or more servers.

    It ends when nobody has seen it for a while, so servers that stop leave none open.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
    began_ts = models.DateTimeField()
    seen_ts = models.DateTimeField(help_text="When it was seen last.")

    class Meta:
        db_table = "cache_layer_incident"
        default_permissions = ()
        indexes = (models.Index(fields=["seen_ts"], name="cache_layer_incident_seen"),)

    def __str__(self) -> str:
        return f"{self.name} {self.began_ts:%Y-%m-%d %H:%M:%S}"
