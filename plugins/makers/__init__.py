"""Scripts that build committed and shipped files; they are not part of the wheel."""
