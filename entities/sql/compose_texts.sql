-- Whichever Unicode form a writer has its texts in, they are stored composed.
NEW.label := normalize(NEW.label, NFC);
NEW.label_plural := normalize(NEW.label_plural, NFC);
NEW.entity_type := normalize(NEW.entity_type, NFC);
RETURN NEW;
