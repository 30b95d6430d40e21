"""
For a project's own tests: checks that its models are never read stale, whatever its code does to them.

    class RatesStayFresh(TransactionTestCase):
        def test_rates_are_never_stale(self):
            Rate.objects.create(name="senior", cents_per_hour=9_000)
            assert_never_stale(Rate.coherent)
"""

from cache_layer.testing.freshness import assert_never_stale

__all__ = ["assert_never_stale"]
