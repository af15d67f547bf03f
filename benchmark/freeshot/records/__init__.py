"""The record of a cell: its models, schema, files, provenance and how records are compared."""
