"""Settings of the cache layer."""

import pytest

from cache_layer.errors import InvalidOptions
from cache_layer.options import Options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"local_leese_ms": 50}, "did you mean 'local_lease_ms'"),
        ({"zzz": 1}, "known: cache_alias"),
        ({"local_lease_ms": -1}, "0 or more"),
        ({"hold_ms": "5"}, "whole number"),
        ({"hold_ms": True}, "whole number"),
        ({"write_policy": "hope"}, "'available' or 'strict'"),
        ({"local_lease_ms": 2_500}, "more than twice"),
    ],
)
def test_a_mistake_is_named_with_what_would_do(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        Options.of(values)


def test_nothing_set_gives_the_designs_values() -> None:
    options = Options.of({})
    assert (options.local_lease_ms, options.hold_ms) == (50, 5_000)
