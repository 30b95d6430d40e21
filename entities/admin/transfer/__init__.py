"""Entity types to files and back."""
