"""The JSON Schema of records, generated from the pydantic models and published with its version.

Conditions across fields, such as a hash that matches its spec, are checked by the models only; everything the schema
refuses, the models refuse.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from freeshot.records.models import SCHEMA_VERSION, RunRecord

IDENTIFIER = f"urn:freeshot:record:{SCHEMA_VERSION}"


class _Untitled(GenerateJsonSchema):
    """Generate no field titles: 'Git Commit' adds nothing to 'git_commit'."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False for every field."""
        return False


def record_schema() -> dict[str, Any]:
    """Return the schema of a record file, JSON Schema draft 2020-12."""
    schema = RunRecord.model_json_schema(schema_generator=_Untitled)
    schema["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    schema["properties"]["cell"]["pattern"] = "^[0-9a-f]{16}$"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENTIFIER,
        **schema,
        "title": f"A FreeShot record, schema version {SCHEMA_VERSION}",
        "if": {"properties": {"status": {"const": "ok"}}},
        "then": {
            "properties": {"interval": {"type": "object"}, "accuracies": {"minItems": 1}},
            "required": ["interval", "accuracies"],
        },
        "else": {"properties": {"reason": {"minLength": 1}}, "required": ["reason"]},
    }
