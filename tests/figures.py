"""What figures come to."""

import math
import statistics
from collections.abc import Sequence


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` of all are not above; nan of nothing."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)] if values else math.nan


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan
