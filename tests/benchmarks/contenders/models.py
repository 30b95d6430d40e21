"""A plain model on the platform's table: what a project without our cache layer would have."""

from __future__ import annotations

from django.db import models


class EntityType(models.Model):
    code = models.CharField(max_length=50, primary_key=True)
    entity_type = models.CharField(max_length=50)
    label = models.CharField(max_length=100)
    label_plural = models.CharField(max_length=100)
    icon = models.CharField(max_length=50)
    child_entity_codes = models.JSONField(default=list)
    display_order = models.IntegerField(default=0)
    active_flag = models.BooleanField(default=True)
    created_ts = models.DateTimeField(auto_now_add=True)
    modified_ts = models.DateTimeField(auto_now=True)

    objects: models.Manager[EntityType] = models.Manager()

    class Meta:
        managed = False
        db_table = '"app"."entity"'

    def __str__(self) -> str:
        return self.label
