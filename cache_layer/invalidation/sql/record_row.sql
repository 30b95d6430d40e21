-- One changed row: note its identifier, before and after, and wake the relay when this commits.
IF TG_OP <> 'INSERT' THEN
  INSERT INTO public.cache_layer_outbox (table_name, field, identifier)
    VALUES ('{table}', '{field}', OLD.{column}::text);
END IF;
IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NEW.{column} IS DISTINCT FROM OLD.{column} THEN
  INSERT INTO public.cache_layer_outbox (table_name, field, identifier)
    VALUES ('{table}', '{field}', NEW.{column}::text);
END IF;
PERFORM pg_notify('{channel}', '');
RETURN NULL;
