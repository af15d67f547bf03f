"""Evaluation: frozen episode lists, embedding, scoring, intervals and the audit."""
