"""Links to entity types on the admin's pages."""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from entities.admin.pages import ModelAdmin
from entities.texts import compose


def change_url(code: str) -> str:
    """The URL of an entity type's form."""
    return reverse("admin:entities_entity_change", args=[quote(code)])


class RejectInvalidFilters(ModelAdmin):
    """
    A list that treats values such as years beyond the calendar like any other invalid filter.

    User-supplied regular expressions are invalid too: some would keep the database busy for ever.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return super().lookup_allowed(lookup, value, request) and not lookup.endswith(("regex", "search"))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Like Django's, but composes the search term, as stored texts are."""
        return super().get_search_results(request, queryset, compose(search_term))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters from error


def draw_chips(codes: Iterable[str], *, inactive: Collection[str] = ()) -> SafeString:
    """A small link for each code, in order; inactive ones look different, and say so to screen readers."""
    hidden = SafeString('<span class="entity-unseen"> (inactive)</span>')
    chips = format_html_join(
        "",
        '<a class="entity-chip{}" href="{}">{}{}</a>',
        (
            (" is-inactive", change_url(code), code, hidden) if code in inactive else ("", change_url(code), code, "")
            for code in codes
        ),
    )
    return format_html('<span class="entity-chips">{}</span>', chips) if chips else SafeString("-")
