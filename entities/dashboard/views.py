"""The dashboard's pages, and the parts that refresh them."""

from contextlib import suppress
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from redis.exceptions import RedisError

from cache_layer.inspect import EntryState, EntryView
from entities.codes import is_code
from entities.dashboard.access import for_viewers, show_page
from entities.dashboard.entries import Filter, list_entries, read_one
from entities.dashboard.explain import describe_engines, foresee, look_at_memories, what_happened
from entities.dashboard.figures import REDIS_DOWN, SPANS, read_figures
from entities.dashboard.peek import Peek, peek
from entities.lookups import ENTITY
from entities.texts import ComposedFormField

ROWS_SECONDS, FILTERED_ROWS_SECONDS = 5, 20
"""How often the list of entries refreshes itself; with a filter by state the server checks every entry."""
MAX_LOOKS = 5
"""How often, once a second, a page asks what the processes have replied: each looks for a probe every two seconds."""


class ListForm(forms.Form):
    """`?q=pro&state=cached&page=2`."""

    q = ComposedFormField(max_length=100, required=False)
    state = forms.ChoiceField(choices=Filter, required=False)
    page = forms.IntegerField(min_value=1, max_value=1_000_000, required=False)


class RepliesForm(forms.Form):
    """`?mark=0b7d...&left=3`: the probe, and how often to ask yet."""

    mark = forms.RegexField(r"^[0-9a-z]{32}$")
    left = forms.IntegerField(min_value=1, max_value=MAX_LOOKS, required=False)


@for_viewers
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """The overview."""
    return show_page(request, "dashboard", "Cache", _figures(request))


@for_viewers
def figures(request: HttpRequest) -> HttpResponseBase:
    """The overview alone, which the page's script asks for."""
    return TemplateResponse(request, "admin/cache/figures.html", _figures(request))


def _figures(request: HttpRequest) -> dict[str, Any]:
    span = request.GET.get("span", "hour")
    if span not in SPANS:
        raise Http404
    return {"figures": read_figures(span), "span": span, "spans": SPANS}


@for_viewers
def entries(request: HttpRequest) -> HttpResponseBase:
    """All entries, paginated; the list refreshes itself."""
    form = ListForm(request.GET)
    asked: dict[str, Any] = form.cleaned_data if form.is_valid() else {}
    chosen = Filter(asked.get("state") or Filter.ALL)
    page, answers = list_entries(asked.get("q") or "", chosen, asked.get("page") or 1)
    context = {
        "page": page,
        "answers": answers,
        "search": asked.get("q") or "",
        "chosen": chosen,
        "filters": Filter.choices,
        "every": ROWS_SECONDS if chosen is Filter.ALL else FILTERED_ROWS_SECONDS,
        "ttl_seconds": ENTITY.ttl_seconds,
        "redis_down": REDIS_DOWN,
        "problem": "" if form.is_valid() else "There is no such page: this is the first one.",
    }
    return show_page(request, "entries", "Cache entries", context)


@for_viewers
def entry(request: HttpRequest, code: str) -> HttpResponseBase:
    """One entry, and its cached bytes beside the database's document."""
    if not is_code(code):
        raise Http404
    view, looked, found, mark = EntryView(ENTITY, code), peek(code), read_one(code), ""
    with suppress(RedisError):
        mark = view.ask_processes()
    context = {
        **_holders(code, looked, found.state, mark, MAX_LOOKS if mark else 0),
        "next": foresee(code, found.state, is_active=bool(looked.committed)),
        "happened": what_happened(code),
        "pending": view.count_pending(),
        "entry": found,
        "peek": looked,
        "redis_down": REDIS_DOWN,
        "key": view.redis_key,
        "ttl_seconds": ENTITY.ttl_seconds,
    }
    return show_page(request, "entry", f"Cache entry {code}, explained", context)


@for_viewers
def memories(request: HttpRequest, code: str) -> HttpResponseBase:
    """The processes' replies so far to one page's probe."""
    form = RepliesForm(request.GET)
    if not (is_code(code) and form.is_valid()):
        return HttpResponseBadRequest("That probe does not come from one of our pages.")
    left = (form.cleaned_data["left"] or 1) - 1
    context = _holders(code, peek(code), EntryState.of(ENTITY, [code])[code], form.cleaned_data["mark"], left)
    return TemplateResponse(request, "admin/cache/memories.html", context)


def _holders(code: str, looked: Peek, state: EntryState, mark: str, left: int) -> dict[str, Any]:
    """Who has which copy, by the replies to the probe so far, if there is one; and how often to ask for more."""
    holders = describe_engines(code, looked, state) + look_at_memories(code, mark, looked.right_digests)
    return {"code": code, "holders": holders, "mark": mark, "left": left}
