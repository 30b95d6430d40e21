from django.db import models

from cache_layer.invalidation.queryset import CoherentManager
from cache_layer.invalidation.triggers import coherence_triggers


class Rate(models.Model):
    """An hourly rate, found by a name that may change; its primary key is a number."""

    name = models.CharField(max_length=30, unique=True)
    cents_per_hour = models.IntegerField()

    objects = CoherentManager()

    class Meta:
        db_table = "otherapp_rate"
        triggers = coherence_triggers("otherapp_rate", field="name", column="name")

    def __str__(self) -> str:
        return self.name


class QuotedRate(Rate):
    """The same rows, as another class."""

    class Meta:
        proxy = True
