"""The platform's paths, answered in each of the ways one meets in projects: read one entity type, change one."""

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import RetrieveUpdateAPIView
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.request import Request
from rest_framework.response import Response

from tests.benchmarks.contenders.models import EntityType

TTL_SECONDS = 300


class EntityTypeSerializer(serializers.ModelSerializer[EntityType]):
    class Meta:
        model = EntityType
        exclude = ("display_order",)
        read_only_fields = ("code",)


class Uncached(RetrieveUpdateAPIView[EntityType]):
    """A query for each request; django-cacheops and django-cachalot put their caches under it."""

    queryset = EntityType.objects.filter(active_flag=True)
    serializer_class = EntityTypeSerializer
    permission_classes = (DjangoModelPermissions,)
    lookup_field = "code"


class CacheAside(Uncached):
    """Get; if there is none, query and set. Deleted when a change has been committed."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = key_of(self.kwargs["code"])
        document = cache.get(key)
        if document is None:
            document = self.load()
            cache.set(key, document, TTL_SECONDS)
        return Response(document)

    def load(self) -> Any:
        return self.get_serializer(self.get_object()).data

    def perform_update(self, serializer: serializers.BaseSerializer[EntityType]) -> None:
        with transaction.atomic():
            serializer.save()
            transaction.on_commit(lambda: cache.delete(key_of(self.kwargs["code"])))


class GetOrSet(CacheAside):
    """The same by Django's own verb."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(cache.get_or_set(key_of(self.kwargs["code"]), self.load, TTL_SECONDS))


def key_of(code: str) -> str:
    return f"entity:metadata:{code}"


view = globals()[settings.ENTITY_VIEW].as_view()

urlpatterns = [
    path("api/v1/entity/type/<str:code>", view),
    path("api/v1/entity/<str:code>", view),
    path("healthz", lambda _: HttpResponse("ok")),
]
