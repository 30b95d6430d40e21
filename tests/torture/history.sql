-- The order in which the versions of a key were committed: the trigger runs while its transaction holds the row's lock,
-- so of two committed versions the later one has the greater place. What is rolled back is not here.
CREATE TABLE torture_history (
  place bigserial PRIMARY KEY,
  code text NOT NULL,
  label text NOT NULL,
  noted_ts timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION torture_note_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO torture_history (code, label) VALUES (NEW.code, NEW.label);
  RETURN NULL;
END
$$;

CREATE TRIGGER torture_note_version AFTER UPDATE ON app.entity
  FOR EACH ROW WHEN (OLD.label IS DISTINCT FROM NEW.label) EXECUTE FUNCTION torture_note_version();

-- The classic algorithm's sessions run no other triggers.
ALTER TABLE app.entity ENABLE ALWAYS TRIGGER torture_note_version;
