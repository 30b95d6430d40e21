import json
from collections.abc import Sequence

from cache_layer.lookup import Lookup, register
from tests.otherapp.models import Rate


def _build(rows: Sequence[Rate]) -> int | None:
    return rows[0].cents_per_hour if rows else None


def _decode(_: str, payload: bytes) -> int:
    cents = json.loads(payload)
    if not isinstance(cents, int):
        raise ValueError("not a number")
    return cents


RATE: Lookup[int] = Lookup(
    name="rate",
    model=Rate,
    identifier_field="name",
    key_pattern="rate:{}",
    rows=lambda names: Rate.objects.filter(name__in=names),
    build=_build,
    encode=lambda cents: json.dumps(cents).encode(),
    decode=_decode,
)
register(RATE)
