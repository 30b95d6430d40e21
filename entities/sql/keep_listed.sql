-- A type that others still list as a child is not removed.
SELECT string_agg(code, ', ' ORDER BY code COLLATE "C") INTO parents
  FROM app.entity WHERE child_entity_codes @> to_jsonb(OLD.code);
IF parents IS NOT NULL THEN
  RAISE EXCEPTION 'entity type "%" is still listed as a child of: %', OLD.code, parents
    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'entity_children_known';
END IF;
RETURN NULL;
