from entities.cache.operations import Operation
from entities.management.operating import OperatingCommand


class Command(OperatingCommand):
    help = (
        "Drops entity types and the list of all, or with --all everything, from the cache; the database is read next."
    )
    operation = Operation.INVALIDATE
    everything = "everything that is cached, of every lookup"
    doing = "Clearing the cache"
    without_redis = "it is not certain that anything was dropped"
