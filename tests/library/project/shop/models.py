from django.contrib.auth.models import Group
from django.db import models

from cache_layer import coherent


@coherent(key="name", fields=["cents_per_hour"], ttl_seconds=60)
class Rate(models.Model):
    name = models.CharField(max_length=30, unique=True)
    cents_per_hour = models.IntegerField()


@coherent(key="name", fields=["id"])
class CoherentGroup(Group):
    class Meta:
        proxy = True
        default_permissions = ()
