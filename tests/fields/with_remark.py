"""
Run in a tree whose `Entity` has just been given a `remark`: makes its migration, and has it everywhere.

Prints, as JSON, what each place has of it. The database is that of `DATABASE_URL`.
"""

import csv
import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - once there are apps
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from entities.files.catalogue import seed_entities  # noqa: E402
from entities.models import Entity  # noqa: E402

found: dict[str, Any] = {}
LIST = "/admin/entities/entity/"
FORM = f"{LIST}project/change/"


def remark() -> str:
    stored: str = Entity.objects.get(code="project").remark  # type: ignore[attr-defined] # here it is
    return stored


call_command("makemigrations", "entities", name="remark", verbosity=0)
call_command("migrate", verbosity=0)
setup_test_environment()
staff = Client()
staff.force_login(User.objects.create_superuser("staff", password="a long pass phrase"))
Entity.objects.create(code="project", label="Project", label_plural="Projects", icon="Flag", display_order=10)

form = {"label": "Project", "label_plural": "Projects", "icon": "Flag", "display_order": "10", "remark": "By staff"}
staff.post(FORM, form | {"active_flag": "on", "entity_type": "project"})
found["form"] = remark() if 'name="remark"' in staff.get(FORM).content.decode() else "no input"

token = {"username": "staff", "password": "a long pass phrase"}
token = staff.post("/api/v1/auth/login", token, content_type="application/json").json()["token"]
program = Client(headers={"authorization": f"Bearer {token}"})
changed = program.patch("/api/v1/entity/project", {"remark": "By API"}, content_type="application/json")
found["patched"] = changed.json()["remark"]
found["read"] = program.get("/api/v1/entity/type/project").json()["remark"]
schemas = staff.get("/api/schema?format=json").json()["components"]["schemas"]
found["described"] = [name for name, each in schemas.items() if "remark" in each.get("properties", {})]

exported = staff.post(f"{LIST}export/", {"format": "csv", "confirmed": "yes"}).content
found["exported"] = [row["remark"] for row in csv.DictReader(exported.decode("utf-8-sig").splitlines())]
upload = SimpleUploadedFile("types.csv", exported.replace(b"By API", b"By a file"))
page = staff.post(f"{LIST}import/", {"file": upload}).context
staff.post(f"{LIST}process_import/", {"upload": page["upload"]})
found["imported"] = remark()

with tempfile.TemporaryDirectory() as directory:
    catalogue = Path(directory, "catalogue.json")
    entry = {"code": "task", "label": "Task", "label_plural": "Tasks", "icon": "Flag", "remark": "To be done"}
    catalogue.write_text(json.dumps([entry, entry | {"code": "risk", "remark": ""}]))
    seed_entities(catalogue)
    found["seeded"] = Entity.objects.get(code="task").remark  # type: ignore[attr-defined] # here it is

with connection.cursor() as cursor:
    cursor.execute("UPDATE app.entity SET remark = 'Cafe\u0301' WHERE code = 'project'")
    found["composed"] = len(remark())
    with suppress(IntegrityError):
        cursor.execute("UPDATE app.entity SET remark = 'a\u202eb' WHERE code = 'project'")
        found["composed"] = "an override of the direction was stored"
sys.stdout.write(json.dumps(found))
