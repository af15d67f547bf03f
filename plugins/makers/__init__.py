"""Scripts that make what is committed or shipped; they are not part of the wheel."""
