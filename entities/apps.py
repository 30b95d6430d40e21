from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EntitiesConfig(AppConfig):
    name = "entities"
    verbose_name = "Entity types"

    def ready(self) -> None:
        from entities.trigger_rights import run_triggers_as_owner

        post_migrate.connect(run_triggers_as_owner, sender=self)
