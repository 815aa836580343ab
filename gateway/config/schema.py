"""The shape of router.yaml: the published JSON Schema, and what is said where a file does not have it.

There is one source, the typed model. The schema is generated from it for editors and for other tools; a test holds
the two to the same verdict with the jsonschema library. At load time the model itself judges, since it is a hundred
times faster and knows the exact place; `shape_errors` turns its findings into diagnostics.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from gateway.config.compose import Composed
from gateway.config.model import Config
from gateway.config.read import Path
from gateway.config.refs import REFERENCE, Resolver, Unresolved, is_reference
from gateway.config.section import SECRET_SCHEMA
from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, diagnose
from gateway.diagnostics.suggest import closest

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}
_RANGES: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")


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
    each = {"type": "array", "items": {"$ref": "#/$defs/Fault"}}
    definitions["Faults"] = {"anyOf": [each, {"$ref": "#/$defs/Fault"}, definitions["Faults"]]}
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


def shape_errors(error: ValidationError, composed: Composed, resolver: Resolver) -> Iterator[Diagnostic]:
    """What the model found, each once, at the tightest place."""
    seen: set[Path] = set()
    errors = error.errors(include_url=False, include_input=False)
    paths = [_written(composed.value, found["loc"], found["type"]) for found in errors]
    strange = [path for found, (path, _) in zip(errors, paths, strict=True) if found["type"] == "extra_forbidden"]
    for found, (path, union) in zip(errors, paths, strict=True):
        if path in seen or _follows(found["type"], path, [other for other, _ in paths], strange, composed.value):
            continue
        written = _value(composed.value, path)
        if is_reference(written):
            unresolved = resolver.written(written)
            if isinstance(unresolved, Unresolved):
                seen.add(path)
                dotted = ".".join(map(str, path))
                yield diagnose(unresolved.code, unresolved.detail, composed.span(path), dotted, unresolved.suggestion)
                continue
        if union:
            seen.add(path)
        yield _shape(found["type"], found["msg"], found.get("ctx", {}), path, composed)


def _follows(kind: str, path: Path, paths: list[Path], strange: list[Path], value: Any) -> bool:
    """Whether a finding only follows from another: a mapping is none of the words that could stand there instead, and a
    key is missing because it is written otherwise."""
    if kind == "literal_error" and isinstance(_value(value, path), dict):
        return any(len(other) > len(path) and other[: len(path)] == path for other in paths)
    if kind == "missing":
        return any(
            other[:-1] == path[:-1] and closest(str(other[-1]), _fields(path[:-1])) == path[-1] for other in strange
        )
    return False


def _written(value: Any, loc: tuple[str | int, ...], kind: str) -> tuple[Path, bool]:
    """The path as it is written: without the names of union branches that pydantic puts in."""
    path: list[str | int] = []
    union = False
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        keys = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        if step in keys:
            value = value[step]
        elif not (last and kind == "missing"):
            union = True
            continue
        path.append(step)
    return tuple(path), union


def _shape(kind: str, message: str, context: dict[str, Any], path: Path, composed: Composed) -> Diagnostic:
    dotted = ".".join(map(str, path))
    last = str(path[-1]) if path else ""
    fix = str(context.get("fix", "")) or None
    if kind == "extra_forbidden":
        fields = _fields(path[:-1])
        near = closest(last, fields)
        where = f"`{'.'.join(map(str, path[:-1]))}`" if path[:-1] else "the top level"
        known = ", ".join(fields)
        detail = f"{last!r} is not known at {where}. Known are: {known}."
        return diagnose(
            "unknown-key", detail, composed.span(path, key=True), dotted, f"did you mean {near!r}?" if near else None
        )
    if kind == "missing":
        where = f"`{'.'.join(map(str, path[:-1]))}`" if path[:-1] else "The file"
        example = "version: 1" if path == ("version",) else f"{last}: …"
        return diagnose(
            "missing-key", f"{where} needs `{last}`.", composed.span(path[:-1], key=True), dotted, f"add `{example}`"
        )
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        words = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
        written = _value(composed.value, path)
        near = closest(str(written), words) if isinstance(written, str) else None
        field = next((step for step in reversed(path) if isinstance(step, str)), last)
        detail = f"{written!r} is not known for `{field}`. Known are: {', '.join(words)}."
        return diagnose(
            "unknown-word", detail, composed.span(path), dotted, f"did you mean {near!r}?" if near else None
        )
    if kind == "secret-literal":
        detail = "The value is not shown. Put it into an environment variable or a file, and name that here."
        return diagnose(
            "secret-literal",
            detail,
            composed.span(path),
            dotted,
            f"`{last}: {{env: NAME}}` or `{last}: {{file: PATH}}`",
        )
    if kind in CODES:
        return diagnose(kind, message, composed.span(path), dotted, f"write {fix}" if fix else None)
    if kind in _RANGES:
        return diagnose("out-of-range", f"{message}.", composed.span(path), dotted)
    wanted = _WANTED.get(kind)
    if wanted is not None:
        detail = f"`{last or 'this'}` takes {wanted}, not {_kind(_value(composed.value, path))}."
        return diagnose("wrong-type", detail, composed.span(path), dotted)
    return diagnose("bad-value", f"{message}.", composed.span(path), dotted)


def _value(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def _fields(path: Path) -> list[str]:
    """The keys that are known at a path."""
    models = _models(Config)
    for step in path:
        following: list[type[BaseModel]] = []
        for model in models:
            for name, field in model.model_fields.items():
                if step in (name, field.alias):
                    following += _models(field.annotation)
        models = following or ([] if not models or not _is_entry(step) else models)
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def _is_entry(step: str | int) -> bool:
    """A step into a mapping by name, or into a list: it stays with the same model."""
    return isinstance(step, str | int)


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (list, dict, Union, types.UnionType, Annotated):
        return [model for inner in get_args(annotation) for model in _models(inner)]
    return []
