"""Everything that happened to entity types, deleted ones too: by whom, from where, and the way back."""
