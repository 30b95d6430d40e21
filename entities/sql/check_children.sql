-- Children are existing codes, each once. The rows are locked, so none of them vanishes before this commits.
PERFORM 1 FROM app.entity
  WHERE code IN (SELECT jsonb_array_elements_text(NEW.child_entity_codes)) FOR KEY SHARE;
SELECT string_agg(DISTINCT child COLLATE "C", ', ' ORDER BY child COLLATE "C") INTO unknown
  FROM jsonb_array_elements_text(NEW.child_entity_codes) AS listed (child)
  WHERE NOT EXISTS (SELECT FROM app.entity WHERE code = child);
IF unknown IS NOT NULL THEN
  RAISE EXCEPTION 'unknown child entity types of "%": %', NEW.code, unknown
    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'entity_children_known';
END IF;
SELECT string_agg(child, ', ' ORDER BY child COLLATE "C") INTO repeated FROM (
  SELECT child FROM jsonb_array_elements_text(NEW.child_entity_codes) AS listed (child)
  GROUP BY child HAVING count(*) > 1
) AS counted;
IF repeated IS NOT NULL THEN
  RAISE EXCEPTION 'child entity types of "%" listed more than once: %', NEW.code, repeated
    USING ERRCODE = 'check_violation', CONSTRAINT = 'entity_children_distinct';
END IF;
RETURN NULL;
