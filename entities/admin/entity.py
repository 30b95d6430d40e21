"""The admin of entity types, composed of its pages."""

from __future__ import annotations

from django.contrib import admin

from entities.admin.changes.page import ChangesPage
from entities.admin.form.page import FormPage
from entities.admin.history.page import HistoryPage
from entities.admin.history.undo_page import UndoPage
from entities.admin.list.cache_actions import CacheActions
from entities.admin.list.page import ListPage
from entities.admin.list.switching import Switching
from entities.admin.map.page import MapPage
from entities.admin.removal.page import Removal
from entities.admin.transfer import Transfer
from entities.models import Entity


@admin.register(Entity)
class EntityAdmin(
    ListPage, FormPage, HistoryPage, ChangesPage, UndoPage, Switching, CacheActions, Transfer, Removal, MapPage
):
    """
    Entity types: list, form and actions.

    The model's signals and QuerySet keep the cache coherent; nothing here has to.
    """

    actions_list = ("map",)
    actions = ("activate", "deactivate", "warm_cache", "invalidate_cache", "export_selected", "delete_selected")
