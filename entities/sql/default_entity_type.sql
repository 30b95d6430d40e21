-- The entity type is the code, unless given.
NEW.entity_type := coalesce(nullif(NEW.entity_type, ''), NEW.code);
RETURN NEW;
