"""The admin of entity types, composed of its pages."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, path

from entities.admin.changes.page import ChangesPage
from entities.admin.form.page import FormPage
from entities.admin.history.undo_page import UndoPage
from entities.admin.list.actions import ListActions
from entities.admin.list.page import ListPage
from entities.admin.map.page import MapPage
from entities.admin.removal.page import Removal
from entities.admin.transfer import Transfer
from entities.models import Entity


@admin.register(Entity)
class EntityAdmin(ListPage, FormPage, ChangesPage, UndoPage, ListActions, Transfer, Removal, MapPage):
    """
    Entity types: list, form and actions.

    The model's signals and QuerySet keep the cache coherent; nothing here has to.
    """

    actions_list = ("map",)
    actions = ("activate", "deactivate", "warm_cache", "invalidate_cache", "export_selected", "delete_selected")

    def get_urls(self) -> list[URLPattern]:
        """The addresses of our own pages, by the last words of their names; then those of Django and of libraries."""
        one = "<path:object_id>"
        pages: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "activate": ("activate/", self.activate_view),
            "cache_states": ("cache-states/", self.cache_states_view),
            "changes": ("changes/", self.changes_view),
            "children": ("children/", self.children_view),
            "icons": ("icons/", self.icons_view),
            "preview_new": ("preview/", self.preview_view),
            "undo": ("undo/<int:event_id>/", self.undo_view),
            "cache": (f"{one}/cache/", self.cache_card_view),
            "operate_cache": (f"{one}/cache/<str:operation>/", self.operate_cache_view),
            "deactivate": (f"{one}/deactivate/", self.deactivate_view),
            "editors": (f"{one}/editors/", self.editors_view),
            "compare": (f"{one}/history/compare/", self.compare_view),
            "restore": (f"{one}/history/<int:version_id>/restore/", self.restore_view),
            "preview": (f"{one}/preview/", self.preview_view),
        }
        own = [
            path(route, self.admin_site.admin_view(view, cacheable=name == "icons"), name=f"entities_entity_{name}")
            for name, (route, view) in pages.items()
        ]
        return [*own, *super().get_urls()]
