"""What a server's process counted is told to Redis, also what it counted last."""

from __future__ import annotations

import urllib.request

from rest_framework_simplejwt.tokens import AccessToken

from cache_layer.counting.analytics import Span, read_activity, read_series
from entities.lookups import ENTITY
from tests.api.conftest import make_user
from tests.conftest import make_entity
from tests.servers import web_server


def test_a_server_that_is_stopped_tells_what_it_counted_since_its_last_report(committed_db: None) -> None:
    make_entity("project")
    headers = {"Authorization": f"Bearer {AccessToken.for_user(make_user())}"}
    with web_server(CACHE_ANALYTICS_SECONDS="3600") as url:
        request = urllib.request.Request(f"{url}/api/v1/entity/type/project", headers=headers)
        for _ in range(20):
            urllib.request.urlopen(request, timeout=10).close()
        assert read_series(Span.HOUR).totals("reads") == {}
    reads = read_series(Span.HOUR).totals("reads")
    assert sum(reads.values()) == 20
    hits = reads["L1"] + reads.get("L2", 0)
    assert read_activity(ENTITY, ["project"])["project"].hits_today == hits >= 19
