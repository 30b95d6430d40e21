"""`make pictures`: the pictures of the README and of docs/, taken of a platform that is in use."""
