-- Whichever Unicode form a writer has its texts in, they are stored composed.
{compose}
RETURN NEW;
