"""Paths under `/api/v1/`. The words beside `<code>` are reserved: no entity type may have them as its code."""

from django.urls import path

from entities.api.views import EntityCacheViewSet, EntityViewSet

urlpatterns = [
    path("entity", EntityViewSet.as_view({"get": "read_entity_rows", "post": "create_entity"}), name="entities"),
    path("entity/types", EntityViewSet.as_view({"get": "read_entity_types"}), name="entity-types"),
    path("entity/type", EntityViewSet.as_view({"get": "read_entity_types"}, schema=None), name="entity-types-alias"),
    path("entity/type/<str:code>", EntityViewSet.as_view({"get": "read_entity_type"}), name="entity-type"),
    path("entity/cache", EntityCacheViewSet.as_view({"delete": "clear_cache"}), name="entity-cache"),
    path(
        "entity/cache/<str:code>", EntityCacheViewSet.as_view({"delete": "invalidate_cache"}), name="entity-cache-entry"
    ),
    path(
        "entity/<str:code>",
        EntityViewSet.as_view({"get": "read_entity_row", "patch": "change_entity", "delete": "remove_entity"}),
        name="entity",
    ),
    path("entity/<str:code>/children", EntityViewSet.as_view({"put": "change_children"}), name="entity-children"),
]
