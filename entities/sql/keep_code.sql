-- Codes are keys in caches, URLs and other types' children: they never change.
RAISE EXCEPTION 'the code of entity type "%" cannot be changed', OLD.code
  USING ERRCODE = 'check_violation', CONSTRAINT = 'entity_code_immutable';
