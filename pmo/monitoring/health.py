"""Liveness and readiness, for load balancers and people."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.views.decorators.cache import cache_control
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from cache_layer.inspect import Health
from pmo.drain import is_draining


class ProblemSerializer(serializers.Serializer[None]):
    """What is wrong."""

    name = serializers.CharField(help_text="Of the alert in deploy/prometheus/alerts.yml, explained in the runbook.")
    since = serializers.DateTimeField(help_text="When it began, as far as any server saw.")


class HealthSerializer(serializers.Serializer[None]):
    """What works."""

    status = serializers.ChoiceField(["ok", "degraded", "down"])
    database = serializers.ChoiceField(["ok", "down"])
    cache = serializers.ChoiceField(["ok", "down"])
    pending_invalidations = serializers.IntegerField(
        allow_null=True, help_text="Committed changes that have not reached the cache yet."
    )
    oldest_pending_seconds = serializers.FloatField(
        allow_null=True, help_text="How long the oldest of them has waited. The relay delivers them once Redis replies."
    )
    problems = ProblemSerializer(many=True, help_text="Everything that is wrong now, the worst first.")


class ProcessSerializer(serializers.Serializer[None]):
    """This process is alive; or leaving, and answers until it ends."""

    status = serializers.ChoiceField(["ok", "draining"])


def probe(**described: Any) -> Callable[[Callable[[Request], Response]], Any]:
    """A view that anyone may ask, without a token; the OpenAPI document describes it so."""

    def decorate(view: Callable[[Request], Response]) -> Any:
        open_to_all = authentication_classes([])(permission_classes([])(cache_control(no_store=True)(view)))
        return extend_schema(tags=["health"], auth=[], **described)(api_view(["GET", "HEAD"])(open_to_all))

    return decorate


@probe(
    operation_id="health",
    summary="Database and cache",
    description="`down`: the database does not answer. `degraded`: any other problem, including a cache that is down;"
    " then everything still works, from the database. `problems` names them.",
    responses={200: HealthSerializer, 503: HealthSerializer},
)
def health(_request: Request) -> Response:
    looked = Health.look()
    backlog = looked.backlog
    database = backlog is not None
    return Response(
        {
            "status": looked.status,
            "database": "ok" if database else "down",
            "cache": "ok" if looked.redis_answers else "down",
            "pending_invalidations": backlog and backlog.changes,
            "oldest_pending_seconds": backlog and round(backlog.oldest_seconds, 3),
            "problems": [
                {name: problem[name] for name in ("name", "since")} for problem in looked.as_json()["problems"]
            ],
        },
        status=200 if database else 503,
    )


@probe(
    operation_id="liveness",
    summary="Liveness",
    description="Whether this process responds; it asks neither engine.",
    responses={200: ProcessSerializer},
)
def liveness(_request: Request) -> Response:
    return Response({"status": "ok"})


@probe(
    operation_id="readiness",
    summary="Readiness",
    description="Whether to send requests to this process: no longer once it leaves rotation. It asks neither engine:"
    " if one is down, every process is as good as another.",
    responses={200: ProcessSerializer, 503: ProcessSerializer},
)
def readiness(_request: Request) -> Response:
    draining = is_draining(settings.PORT)
    return Response({"status": "draining" if draining else "ok"}, status=503 if draining else 200)
