-- A change that does not set modified_ts itself gets the time of the change.
IF NEW.modified_ts IS NOT DISTINCT FROM OLD.modified_ts THEN
  NEW.modified_ts := clock_timestamp();
END IF;
RETURN NEW;
