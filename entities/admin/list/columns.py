"""The cells of the list of entity types."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cache_layer.inspect import EntryState, Kind
from entities.admin.links import draw_chips
from entities.admin.pages import ModelAdmin
from entities.admin.widgets import draw_icon
from entities.history import newest_events
from entities.lookups import ENTITY
from entities.models import Entity

SHOWN_CHILDREN = 5


class Columns(ModelAdmin):
    """The cells of a row, most of them of what `attach_to_rows` has read."""

    @admin.display(description="Label", ordering="label")
    def name(self, entity: Entity) -> SafeString:
        return format_html('<span class="entity-name">{}{}</span>', draw_icon(entity.icon), entity.label)

    @admin.display(description="Children")
    def children(self, entity: Any) -> SafeString:
        """Links to the first children, in order; the rest behind a `+3` that expands."""
        codes, inactive = entity.child_entity_codes, getattr(entity, "inactive_children", ())
        if len(codes) <= SHOWN_CHILDREN + 1:
            return draw_chips(codes, inactive=inactive)
        shown, more = codes[:SHOWN_CHILDREN], codes[SHOWN_CHILDREN:]
        return format_html(
            '<div class="entity-children">{}<details><summary class="entity-chip" title="Show all {}">+{}</summary>{}'
            "</details></div>",
            draw_chips(shown, inactive=inactive),
            len(codes),
            len(more),
            draw_chips(more, inactive=inactive),
        )

    @admin.display(description="Active", ordering="active_flag")
    def active(self, entity: Any) -> SafeString:
        """With a hidden field, so that the form sends the codes in the order of the rows."""
        switch = draw_switch(entity, may_change=getattr(entity, "may_change", False))
        return switch + format_html('<input type="hidden" name="_order" value="{}">', entity.code)

    @admin.display(description="Cache")
    def cache(self, entity: Any) -> SafeString:
        return draw_cache_state(entity.code, getattr(entity, "cache_state", EntryState(Kind.UNKNOWN)))

    @admin.display(description="Last change", ordering="modified_ts")
    def changed(self, entity: Any) -> SafeString:
        """When it was last changed, by whom and from where."""
        version = getattr(entity, "newest_version", None)
        moment = entity.modified_ts if version is None else version.pgh_created_at
        exact = timezone.localtime(moment)
        return format_html(
            '<time datetime="{}" title="{}">{}</time><span class="block text-subtle">{}</span>',
            exact.isoformat(timespec="seconds"),
            exact.strftime("%d %B %Y, %H:%M:%S %Z"),
            naturaltime(moment),
            f"by {version.author}" if version and version.author else "",
        )


def attach_to_rows(rows: Collection[Any], *, may_change: bool) -> None:
    """Set what the columns show on all rows: one pipeline and two queries."""
    codes = [entity.code for entity in rows]
    states = EntryState.of(ENTITY, codes)
    versions = {version.pgh_obj_id: version for version in newest_events(codes)}
    children = {code for entity in rows for code in entity.child_entity_codes}
    hidden = set(Entity.objects.filter(code__in=children, active_flag=False).values_list("code", flat=True))
    for entity in rows:
        entity.may_change = may_change
        entity.inactive_children = hidden
        entity.cache_state = states[entity.code]
        entity.newest_version = versions.get(entity.code)


def draw_switch(entity: Entity, *, may_change: bool) -> SafeString:
    """Its active flag as a switch that works for users who may change it."""
    return format_html(
        '<button type="button" role="switch" class="entity-switch" aria-checked="{}" aria-label="{} is active" '
        'id="switch-{}"{}><span></span></button>',
        "true" if entity.active_flag else "false",
        entity.label,
        entity.code,
        _on_click(entity) if may_change else SafeString(" disabled"),
    )


def _on_click(entity: Entity) -> SafeString:
    """htmx attributes: a deactivation is previewed, an activation done at once."""
    if entity.active_flag:
        url = reverse("admin:entities_entity_deactivate", args=[quote(entity.code)])
        return format_html(' data-hx-get="{}" data-hx-target="#entity-dialog"', url)
    url = reverse("admin:entities_entity_activate")
    return format_html(
        """ data-hx-post="{}" data-hx-vals='{{"code": "{code}"}}' data-hx-swap="outerHTML" """
        'data-problem="entity-list-error" data-failed="{code} was not activated:"',
        url,
        code=entity.code,
    )


def draw_cache_state(code: str, state: EntryState) -> SafeString:
    """Its state in Redis; the list fetches it again, and swaps it in by its id."""
    seconds = state.ttl_seconds
    left = "" if seconds is None else format_html('<data data-seconds-left value="{}">{} s</data>', seconds, seconds)
    size = "" if state.payload_bytes is None else filesizeformat(state.payload_bytes)
    return format_html(
        '<span class="cache-kind" id="cache-{code}" data-hx-swap-oob="true" data-cache-code="{code}" '
        'data-kind="{kind}" title="{}">{kind} {}</span>',
        size,
        left,
        code=code,
        kind=state.kind,
    )
