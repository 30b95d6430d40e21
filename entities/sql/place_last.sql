-- A row without a display order comes after all others, and one that loses it stays where it is.
-- Two new ones at once may get the same number: then the code decides.
IF TG_OP = 'UPDATE' THEN
  NEW.display_order := OLD.display_order;
ELSE
  SELECT least(coalesce(max(display_order), 0)::bigint + 10, 2147483647) INTO NEW.display_order FROM app.entity;
END IF;
RETURN NEW;
