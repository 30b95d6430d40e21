"""
How a table `app.entity` that a platform has already is taken over, and given back as it was found.

`table` reads the catalogue, `shape` and `rows` find what stands in the way, `operation` changes the table inside the
first migration, and `run` puts all migrations of the table into one transaction.
"""

from entities.adoption.run import AdoptionRefused, adopt, find_problems, is_pending
from entities.adoption.table import was_adopted

__all__ = ["AdoptionRefused", "adopt", "find_problems", "is_pending", "was_adopted"]
