-- A row without a display order comes after all others. Two at once may get the same number: then the code decides.
SELECT least(coalesce(max(display_order), 0)::bigint + 10, 2147483647) INTO NEW.display_order FROM app.entity;
RETURN NEW;
