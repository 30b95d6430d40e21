"""
Adopts a table `app.entity` that a platform already has, and gives it back as it was found.

`table` reads the catalogue, `shape` and `rows` find obstacles, `operation` changes the table in the first migration,
and `run` puts all migrations of the table into one transaction.
"""

from entities.adoption.run import AdoptionRefused, adopt, find_problems, is_pending
from entities.adoption.table import was_adopted

__all__ = ["AdoptionRefused", "adopt", "find_problems", "is_pending", "was_adopted"]
