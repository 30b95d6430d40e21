"""Makes migrations that create coherence triggers depend on the one that creates the outbox they write to."""

from typing import Any

from django.core.management.commands import makemigrations, migrate
from django.db.migrations.autodetector import MigrationAutodetector, OperationDependency
from pgtrigger.migrations import AddTrigger

from cache_layer.models import Change


class AfterOutbox(MigrationAutodetector):
    """Django's autodetector, which makes such migrations depend on ours."""

    def add_operation(self, app_label: str, operation: Any, dependencies: Any = None, beginning: bool = False) -> None:
        if writes_to_outbox(operation):
            outbox = OperationDependency("cache_layer", "change", None, OperationDependency.Type.CREATE)
            dependencies = [*(dependencies or ()), outbox]
        super().add_operation(app_label, operation, dependencies, beginning)


def writes_to_outbox(operation: Any) -> bool:
    """Whether a migration operation creates a trigger that writes to the outbox."""
    if not isinstance(operation, AddTrigger):
        return False
    trigger: Any = operation.trigger
    return Change._meta.db_table in str(trigger.install_sql)


def order_migrations() -> None:
    """Install the autodetector in `makemigrations` and `migrate`, where pgtrigger installs its own too."""
    commands: list[Any] = [makemigrations, migrate]
    found = commands[0].MigrationAutodetector
    if not issubclass(found, AfterOutbox):
        both = type("MigrationAutodetector", (AfterOutbox, found), {})
        for module in commands:
            module.MigrationAutodetector = both  # pgtrigger derives from what it finds here
            module.Command.autodetector = both
