"""
Entity type tags: `under:project` is project and everything inside it, `above:task` is task and everything that contains
it, at any depth.
"""

from django.db import connections, router

from cache_layer import UnknownTag
from entities.codes import is_code
from entities.models import Entity

# UNION, not UNION ALL: an entity type reached again is not followed again, so cycles end.
NAMED = """
    WITH RECURSIVE named (code) AS (SELECT code::text FROM app.entity WHERE code = %s UNION {})
    SELECT code FROM named JOIN app.entity USING (code) ORDER BY display_order, code COLLATE "C"
"""
UNDER = """
    SELECT child.code
    FROM named JOIN app.entity AS parent USING (code),
        jsonb_array_elements_text(parent.child_entity_codes) AS child (code)
"""
ABOVE = """
    SELECT parent.code::text
    FROM named JOIN app.entity AS parent ON parent.child_entity_codes @> to_jsonb(named.code)
"""
KINDS = {"under": NAMED.format(UNDER), "above": NAMED.format(ABOVE)}


def tagged_codes(tag: str) -> list[str]:
    """
    The codes of the entity types, inactive ones too, that a tag names; one query on the primary.

    Raises:
        UnknownTag: not a tag, or of an entity type that does not exist.
    """
    kind, _, code = tag.partition(":")
    if kind not in KINDS or not is_code(code):
        raise UnknownTag("Use under: or above: and the code of an entity type, for example under:project.")
    with connections[router.db_for_write(Entity)].cursor() as cursor:
        cursor.execute(KINDS[kind], [code])
        codes = [str(row[0]) for row in cursor.fetchall()]
    if not codes:
        raise UnknownTag(f"There is no entity type {code}.")
    return codes
