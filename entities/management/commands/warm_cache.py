from entities.cache.operations import Operation
from entities.management.operating import OperatingCommand


class Command(OperatingCommand):
    help = "Fills the cache with entity types and the list of all, so that the first readers find them there."
    operation = Operation.WARM
    doing = "Warming the cache"
    without_redis = "the cache was not warmed"
