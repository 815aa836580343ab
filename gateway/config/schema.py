"""The shape of router.yaml as a published JSON Schema.

There is one source, the typed model. The schema is generated from it for editors and for other tools; a test holds
the two to the same verdict with the jsonschema library. At load time the model itself judges, since it is a hundred
times faster and knows the exact place; `shape.shape_errors` turns its findings into diagnostics.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from gateway.config.model import Config
from gateway.config.refs import REFERENCE
from gateway.config.section import SECRET_SCHEMA

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def published() -> dict[str, Any]:
    """schemas/router.schema.json: what the model says, with short forms and references."""
    schema = Config.model_json_schema(by_alias=True, mode="validation", schema_generator=GenerateJsonSchema)
    schema = _named_secrets(schema)
    definitions = schema["$defs"]
    definitions.pop("Ref", None)
    definitions["Reference"] = REFERENCE
    definitions["Secret"] = SECRET_SCHEMA
    for definition in (schema, *definitions.values()):
        for name, field in definition.get("properties", {}).items():
            if definition not in (REFERENCE, SECRET_SCHEMA):
                definition["properties"][name] = _with_reference(field)
    definitions["Target"] = _or({"type": "string"}, definitions["Target"])
    definitions["Combo"] = _or({"type": "array", "items": {"$ref": "#/$defs/Target"}}, definitions["Combo"])
    definitions["Credential"] = _or({"$ref": "#/$defs/Secret"}, definitions["Credential"])
    location = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Secret"}]}
    definitions["Ledger"] = _or(location, definitions["Ledger"])
    definitions["Parameter"] = _or({"type": ["number", "string", "boolean"]}, definitions["Parameter"])
    kinds = definitions["Fault"]["properties"]["kind"]["anyOf"][0]
    definitions["Fault"] = {"anyOf": [{"type": "integer"}, kinds, definitions["Fault"]]}
    for played in ("Test", "Step"):
        faults = definitions[played]["properties"]["faults"]
        faults["additionalProperties"] = _or(faults["additionalProperties"], {"$ref": "#/$defs/Fault"})
    rules = schema["properties"]["fallbacks"]["additionalProperties"]
    schema["properties"]["fallbacks"]["additionalProperties"] = _or(
        {"type": "array", "items": {"type": "string"}}, rules
    )
    providers = schema["properties"]["providers"]["additionalProperties"]
    schema["properties"]["providers"]["additionalProperties"] = {"anyOf": [providers, {"type": "null"}]}
    for named in ("Provider", "Model", "Combo", "Key"):
        inner = definitions[named]
        inner = inner["anyOf"][-1] if "anyOf" in inner else inner
        inner["properties"]["override"] = {"const": True, "description": "Replaces the entry of an earlier --config."}
    return {"$schema": DIALECT, "$id": "router.schema.json", **schema, "title": "router.yaml"}


def _named_secrets(value: Any) -> Any:
    """The schema with every secret's place as a reference to one definition; what is said of the place stays."""
    if isinstance(value, list):
        return [_named_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("oneOf") == SECRET_SCHEMA["oneOf"]:
        about = {
            key: value[key]
            for key in ("default", "description", "examples")
            if value.get(key) != SECRET_SCHEMA.get(key)
        }
        return {"$ref": "#/$defs/Secret", **about}
    return {key: _named_secrets(inner) for key, inner in value.items()}


def _or(short: dict[str, Any], long: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [short, long]}


def _with_reference(field: dict[str, Any]) -> dict[str, Any]:
    """A scalar may also be a reference; what is said about the field stays beside it."""
    kinds = field.get("anyOf", [field])
    scalar = all(
        kind.get("type") in ("string", "integer", "number", "boolean", "null") or "const" in kind for kind in kinds
    )
    if not scalar or field.get("title") == "Secret" or any("$ref" in kind for kind in kinds):
        return field
    about: dict[str, Any] = {key: field[key] for key in ("description", "default", "examples", "title") if key in field}
    rest: dict[str, Any] = {key: value for key, value in field.items() if key not in about}
    options = rest.get("anyOf", [rest])
    return {"anyOf": [*options, {"$ref": "#/$defs/Reference"}], **about}
