"""What is an extra of the wheel is not needed; that a foreign project has none of them is `test_project`'s."""

from types import ModuleType
from typing import Any

import prometheus_client
import pytest

from cache_layer import plain_metrics
from cache_layer.protocol import packing
from tests.threads import holds_in_child


def count(module: ModuleType) -> list[list[tuple[str, dict[str, str], float]]]:
    """The totals that are reported of metrics used in every way this package does; prometheus-client's unregistered."""
    registry: dict[str, Any] = {"registry": None} if module is prometheus_client else {}
    counter = module.Counter("cache_reads", "", ["source"], **registry)
    counter.labels("L1").inc()
    counter.labels("L1").inc(2)
    counter.labels("L2")
    plain = module.Counter("cache_holds", "", **registry)
    plain.inc()
    gauge = module.Gauge("cache_open", "", multiprocess_mode="livemax", **registry)
    gauge.set(7)
    gauge.set_to_current_time()
    histogram = module.Histogram("cache_seconds", "", ["client"], buckets=(1e-06, 0.25, 1.0), **registry)
    for seconds in (0.25, 0.3, 5):
        histogram.labels("reader").observe(seconds)
    timed = module.Histogram("cache_load_seconds", "", buckets=(60.0,), **registry)
    with timed.time():
        pass
    families = [family for metric in (counter, plain, histogram, timed) for family in metric.collect()]
    return [
        [
            (sample.name, dict(sample.labels), sample.value)
            for sample in family.samples
            if sample.value and sample.name.endswith(("_total", "_bucket"))
        ]
        for family in families
    ]


def test_plain_metrics_have_the_reported_numbers_and_names_of_prometheus_client() -> None:
    assert count(plain_metrics) == count(prometheus_client)


def test_a_child_counts_though_a_thread_of_its_parent_has_held_the_lock() -> None:
    counter = plain_metrics.Counter("cache_reads", "")

    def counts() -> bool:
        counter.inc()
        return counter.collect()[0].samples[0].value == 1

    with plain_metrics._counting:
        assert holds_in_child(counts)


def test_without_zstandard_nothing_is_compressed_and_what_is_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    value = b"x" * 100_000
    packed = packing.pack(value)
    assert len(packed) < len(value)
    monkeypatch.setattr(packing, "zstd", None)
    assert packing.pack(value) == packing.unpack(value) == value
    with pytest.raises(ValueError, match=r"pip install cache-layer\[zstd\]"):
        packing.unpack(packed)
