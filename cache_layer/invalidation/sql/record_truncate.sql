-- TRUNCATE: every row may have changed.
INSERT INTO public.cache_layer_outbox (table_name, field, identifier) VALUES ('{table}', '', '');
PERFORM pg_notify('{channel}', '');
RETURN NULL;
