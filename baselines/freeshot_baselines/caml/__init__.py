"""CAML: a transformer that processes a task as a sequence, without learning at test time."""
