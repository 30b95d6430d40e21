"""Three groups to begin with. Afterwards they are the platform's own: nothing changes them, or brings them back."""

from django.db import migrations

TYPES = ["view_entity"]
GROUPS = {
    "reader": TYPES,
    "editor": [*TYPES, "add_entity", "change_entity", "delete_entity"],
    "operator": [*TYPES, "view_cache", "operate_cache"],
}
PERMISSIONS = {
    "view_entity": ("entity", "Can view entity type"),
    "add_entity": ("entity", "Can add entity type"),
    "change_entity": ("entity", "Can change entity type"),
    "delete_entity": ("entity", "Can delete entity type"),
    "view_cache": ("cacheoperation", "Can see the cache dashboard"),
    "operate_cache": ("cacheoperation", "Can invalidate, warm and clear the cache"),
}


def add_groups(apps, schema_editor):
    """Those that are not there; their permissions Django would make only after the last migration."""
    alias = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    permissions = apps.get_model("auth", "Permission").objects.using(alias)
    groups = apps.get_model("auth", "Group").objects.using(alias)
    made = {}
    for codename, (model, name) in PERMISSIONS.items():
        content_type, _ = content_types.get_or_create(app_label="entities", model=model)
        made[codename], _ = permissions.get_or_create(
            content_type_id=content_type.pk, codename=codename, defaults={"name": name}
        )
    for name, codenames in GROUPS.items():
        group, is_new = groups.get_or_create(name=name)
        if is_new:
            group.permissions.add(*(made[codename] for codename in codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("entities", "0003_history_and_operations"),
        ("pmo", "0003_sign_on_tokens"),
    ]

    operations = [migrations.RunPython(add_groups, migrations.RunPython.noop)]
