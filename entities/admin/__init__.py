"""This app's admin pages; importing them registers them."""

from entities.admin.entity import EntityAdmin
from entities.admin.operations_log import CacheOperationAdmin

__all__ = ["CacheOperationAdmin", "EntityAdmin"]
