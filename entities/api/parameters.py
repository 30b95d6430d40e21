"""The headers and query parameters of the API: described in words that people read, and read."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from entities.codes import CODE_PATTERN, RESERVED_CODES, is_code

MAX_CODES = 200


def _header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    """Of responses with these statuses; without any, of requests."""
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=list(statuses))


def _flag(name: str, description: str) -> OpenApiParameter:
    """A query parameter that is false unless it is given."""
    return OpenApiParameter(name, bool, OpenApiParameter.QUERY, description=description, default=False)


RETRY_AFTER = _header("Retry-After", "Seconds until the next attempt.", 429, 503)
ETAG = _header("ETag", "Names these exact bytes of the document; with 412, of the current one.", 200, 201, 304, 412)
LOCATION = _header("Location", "Where to read it.", 201)
X_CACHE = _header(
    "X-Cache",
    "Where it came from: `L1` this process's memory, `L2` Redis, `DB` the database (and it is cached now), `BYPASS` the"
    " database (and it must not be cached now), `STALE` the last known value, because the database is down (if this"
    " server may serve it).",
    200,
    304,
)
WARNING = _header("Warning", '`110 - "Response is Stale"` with `X-Cache: STALE`.', 200, 304)
FORMER_ICON = _header(
    "Warning", '`299 - "..."`: the icon has another name in Lucide now; it is stored as sent.', 200, 201
)
IF_MATCH = _header("If-Match", "Change it only if this is still its `ETag`; `*` for any.")
IF_NONE_MATCH = _header("If-None-Match", "Respond 304 without a body if this is still its `ETag`.")
CODE = OpenApiParameter(
    "code",
    str,
    OpenApiParameter.PATH,
    pattern=CODE_PATTERN,
    description=f"For example `project`. Words from the API's own paths are not codes: {', '.join(RESERVED_CODES)}.",
)
TAG = OpenApiParameter(
    "tag",
    str,
    description="Only those of a tag: `under:project` is project and everything inside it, `above:task` is task and"
    " everything it is inside of, however deep.",
)
CODES = OpenApiParameter(
    "codes",
    {"type": "array", "items": {"type": "string", "pattern": CODE_PATTERN}, "maxItems": MAX_CODES},
    OpenApiParameter.QUERY,
    style="form",
    explode=False,
    description="Only these, for example `project,task`; not together with `include_inactive`.",
)
CHILDREN = _flag("children", "One more field, `children`: the documents of the active children, in order.")
INCLUDE_INACTIVE = _flag("include_inactive", "Inactive ones too, read from the database.")
PURGE = _flag("purge", "Remove it for good.")
DETACH = _flag("detach", "Take it out of the entity types that list it.")
FROM_CACHE = (IF_NONE_MATCH, ETAG, X_CACHE, WARNING)
IF_UNCHANGED = (CODE, IF_MATCH, ETAG)


def read_flags(request: Request, *parameters: OpenApiParameter) -> list[bool]:
    """Those of these query parameters that are `true` or `false`, false by default. Misspelt ones are rejected."""
    given, names = request.query_params, [each.name for each in parameters if each.type is bool]
    known = {each.name for each in parameters}
    wrong = {name: ["This parameter is unknown."] for name in given if name not in known}
    wrong |= {name: ["Use true or false."] for name in names if given.get(name, "false") not in ("true", "false")}
    if wrong:
        raise ValidationError(wrong)
    return [given.get(name) == "true" for name in names]


def read_codes(request: Request) -> list[str]:
    """The query parameter `codes`: comma-separated codes."""
    codes = request.query_params["codes"].split(",")
    wrong = [f"{code} is not a code." for code in codes if not is_code(code)]
    if len(codes) > MAX_CODES:
        wrong = [f"Ask for at most {MAX_CODES} at a time."]
    if wrong:
        raise ValidationError({"codes": wrong})
    return codes


def refuse_both(include_inactive: bool, name: str) -> None:
    """Reject `include_inactive` beside this other parameter."""
    if include_inactive:
        raise ValidationError({name: ["Cannot be combined with include_inactive: it finds active types only."]})
