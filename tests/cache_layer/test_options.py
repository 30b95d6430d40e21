"""Settings of the cache layer."""

from dataclasses import fields

import pytest
from django.conf import settings

from cache_layer.errors import InvalidOptions
from cache_layer.options import Options


def test_a_mistake_is_named_with_what_would_do(subtests: pytest.Subtests) -> None:
    for values, message in [
        ({"local_leese_ms": 50}, "did you mean 'local_lease_ms'"),
        ({"zzz": 1}, "known: cache_alias"),
        ({"local_lease_ms": -1}, "from 0 to 60000"),
        ({"max_connections": 10_001}, "from 1 to 10000"),
        ({"hold_ms": "5"}, "whole number"),
        ({"hold_ms": True}, "whole number"),
        ({"write_policy": "hope"}, "'available' or 'strict'"),
        ({"relay": 1}, "True or False"),
        ({"purge_patterns": "sessions:*"}, "a list of SCAN patterns"),
        ({"purge_patterns": ["sessions:*", ""]}, "a list of SCAN patterns"),
        ({"local_lease_ms": 2_500}, "more than twice"),
    ]:
        with subtests.test(values=values, message=message), pytest.raises(InvalidOptions, match=message):
            Options.of(values)


def test_the_platform_sets_every_option() -> None:
    """By a variable of the environment each, but for the alias."""
    assert settings.CACHE_LAYER.keys() == {option.name for option in fields(Options)}
