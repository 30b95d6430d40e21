"""The `Entity` model on table `app.entity`."""

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pghistory
import pgtrigger
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import CheckConstraint, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate, Now

from cache_layer import CoherentManager, coherence_triggers
from entities.codes import CODE_PATTERN, RESERVED_CODES, is_code
from entities.history import Version
from entities.texts import ComposedCharField, validate_readable
from entities.triggers import NEVER_EMPTIED, TRIGGERS, keep_texts_readable
from entities.words.icons import current_name

TIMES = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
"""PostgreSQL allows more, `infinity` among them; a single such row would make every list unreadable."""

BY_CODE = Collate("code", "C")
"""By code point, as Python sorts, whatever the collation of the database or a platform's column."""


def validate_icon(name: str) -> None:
    """Reject names that Lucide has never had."""
    if current_name(name) is None:
        raise ValidationError("%(name)s is not a Lucide icon.", code="unknown_icon", params={"name": name})


def validate_not_reserved(code: str) -> None:
    """Reject words from the API's own paths."""
    if code in RESERVED_CODES:
        raise ValidationError("%(code)s is reserved.", code="reserved", params={"code": code})


def validate_children_shape(codes: Any) -> None:
    """Reject anything but a list of distinct strings."""
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValidationError("Give a list of entity codes.", code="not_a_list_of_strings")
    repeated = sorted(code for code, times in Counter(codes).items() if times > 1)
    if repeated:
        raise ValidationError(f"Listed more than once: {', '.join(repeated)}.", code="repeated_children")


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(condition=pghistory.AnyChange(exclude=["modified_ts"])),
    pghistory.DeleteEvent(),
    model_name="EntityEvent",
    base_model=Version,
    obj_field=pghistory.ObjForeignKey(related_name="events"),
    context_field=pghistory.ContextJSONField(),
    append_only=True,
    # pghistory's SQL quotes this as is; what it names must not depend on a writer's search_path.
    meta={
        "db_table": 'app"."entity_event',
        "verbose_name": "version of an entity type",
        "indexes": [models.Index(fields=("pgh_context_id", "pgh_created_at"), name="entity_event_act")],
        "triggers": [NEVER_EMPTIED],
    },
)
@keep_texts_readable
class Entity(models.Model):
    """One entity type. `code` never changes; the database enforces every rule for writers that bypass Django too."""

    code = models.CharField(
        max_length=50,
        primary_key=True,
        validators=[
            RegexValidator(
                CODE_PATTERN.replace("$", r"\Z"),  # in Python `$` also matches before a final newline
                "Use a lower-case letter, then lower-case letters, digits or _, 50 at most.",
                code="code",
            ),
            validate_not_reserved,
        ],
        help_text="Lower-case letters, digits and _. It is the key in Redis and in URLs, and never changes.",
    )
    entity_type = ComposedCharField(
        max_length=50, blank=True, validators=[validate_readable], help_text="The code, unless given."
    )
    label = ComposedCharField(max_length=100, validators=[validate_readable])
    label_plural = ComposedCharField(max_length=100, validators=[validate_readable])
    icon = models.CharField(
        max_length=50, validators=[validate_icon], help_text="A Lucide icon, for example FolderKanban."
    )
    child_entity_codes = models.JSONField(
        default=list,
        blank=True,
        db_default=models.Value([], models.JSONField()),
        validators=[validate_children_shape],
        help_text="The entity types shown inside this one, in display order.",
    )
    display_order = models.IntegerField(default=None, db_default=models.Value(None, models.IntegerField()))
    active_flag = models.BooleanField("active", default=True, db_default=True)
    created_ts = models.DateTimeField("created", auto_now_add=True, db_default=Now())
    modified_ts = models.DateTimeField("modified", auto_now=True, db_default=Now())

    objects = CoherentManager()

    class Meta:
        db_table = '"app"."entity"'
        verbose_name = "entity type"
        ordering = ("display_order", BY_CODE)
        indexes = (
            models.Index(fields=["display_order", "code"], condition=Q(active_flag=True), name="entity_active_order"),
            GinIndex(fields=["child_entity_codes"], name="entity_children", opclasses=["jsonb_path_ops"]),
        )
        constraints = (
            CheckConstraint(name="entity_code_pattern", condition=Q(code__regex=CODE_PATTERN)),
            CheckConstraint(name="entity_code_not_reserved", condition=~Q(code__in=RESERVED_CODES)),
            CheckConstraint(
                name="entity_children_strings",
                condition=RawSQL(
                    "jsonb_typeof(child_entity_codes) = 'array'"
                    " AND NOT jsonb_path_exists(child_entity_codes, '$[*] ? (@.type() != \"string\")')",
                    (),
                    output_field=models.BooleanField(),
                ),
            ),
            CheckConstraint(name="entity_times", condition=Q(created_ts__range=TIMES, modified_ts__range=TIMES)),
        )
        triggers = (*TRIGGERS, *coherence_triggers(db_table, field="code", column="code"))

    def __str__(self) -> str:
        return self.label

    def save(self, *args: Any, **kwargs: Any) -> None:
        if "entity_type" not in self.get_deferred_fields():  # else it would be loaded now and written back
            self.entity_type = self.entity_type or self.code
        super().save(*args, **kwargs)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Like Django's; the database gives a new row without a display order the last place."""
        last: set[str] = {"display_order"} if self._state.adding and self.display_order is None else set()
        super().clean_fields(exclude={*(exclude or ()), *last})

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Does nothing: the fields' validators say the same in words for people, and Django cannot check raw SQL."""

    def clean(self) -> None:
        """Reject children that are not entity types, by name."""
        unknown = unknown_codes(self.child_entity_codes, besides=self.code)
        if unknown:
            error = ValidationError(f"Unknown entity types: {', '.join(unknown)}.", code="unknown_children")
            raise ValidationError({"child_entity_codes": error})


class CacheOperation(models.Model):
    """One operation of a person on the cache: the audit log. Rows are added, never changed."""

    class Operation(models.TextChoices):
        INVALIDATE = "invalidate"
        WARM = "warm"
        CLEAR = "clear", "Clear all"
        AUDIT = "audit", "Compare with the database"

    done_ts = models.DateTimeField("when", db_default=Now())
    username = models.CharField(max_length=150, help_text="Who, as they were called then.")
    origin = models.CharField(max_length=20, help_text="From where: admin, api or command.")
    operation = models.CharField(max_length=20, choices=Operation)
    subject = models.TextField(help_text="On what: codes, with commas between them, or `all`.")
    reason = ComposedCharField(max_length=200, blank=True, validators=[validate_readable])
    result = models.TextField(help_text="What it came to.")

    class Meta:
        db_table = '"app"."cache_operation"'
        verbose_name_plural = "audit log"
        ordering = ("-done_ts", "-id")
        default_permissions = ()
        permissions = (
            ("view_cache", "Can see the cache dashboard"),
            ("operate_cache", "Can invalidate, warm and clear the cache"),
        )
        indexes = (models.Index(fields=["-done_ts", "-id"], name="cache_operation_newest"),)
        triggers = (
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            NEVER_EMPTIED,
        )

    def __str__(self) -> str:
        return f"{self.username}: {self.operation} {self.subject}"


def unknown_codes(codes: list[str], *, besides: str = "") -> list[str]:
    """Those of `codes` that are not entity types, in order; `besides` counts as one."""
    possible = [code for code in codes if is_code(code)]
    known = {besides, *Entity.objects.filter(code__in=possible).values_list("code", flat=True)}
    return [code for code in codes if code not in known]
