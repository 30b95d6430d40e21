from django.apps import AppConfig
from django.db.models.signals import post_migrate


class EntitiesConfig(AppConfig):
    name = "entities"
    verbose_name = "Entity types"

    def ready(self) -> None:
        from entities.trigger_rights import after_migrate

        post_migrate.connect(after_migrate, sender=self)
