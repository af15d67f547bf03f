"""CAML: a transformer that reads a task as a sequence, and learns nothing more at test time."""
