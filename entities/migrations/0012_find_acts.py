from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # so that writers need not wait until the index is made

    dependencies = [
        ("entities", "0011_audit_log_name"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="entityevent",
            index=models.Index(fields=["pgh_context_id", "pgh_created_at"], name="entity_event_act"),
        ),
    ]
