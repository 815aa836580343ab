"""What every part of the model shares: strict, frozen, no unknown keys, references resolved before typing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.refs import REFERENCE, Ref, Resolver, is_reference
from gateway.config.words import scalar_of


def _secret(value: Any) -> Any:
    """A secret's place takes references only. `none` says that there is none."""
    if value == "none":
        return {"none": True}
    if isinstance(value, str | int | float | bool):
        raise PydanticCustomError("secret-literal", "A secret is never written into the file.", {})
    if isinstance(value, dict) and value.get("none") is not True and not is_reference(value):
        raise PydanticCustomError("bad-value", "This is not a reference.", {"fix": "{env: NAME} or {file: PATH}"})
    return value


SECRET_SCHEMA: dict[str, Any] = {**REFERENCE, "title": "Secret"}
Secret = Annotated[Ref, BeforeValidator(_secret), WithJsonSchema(SECRET_SCHEMA)]
OptionalKey = Annotated[
    Ref | None, BeforeValidator(_secret), WithJsonSchema({"anyOf": [{"const": "none"}, SECRET_SCHEMA]})
]


class Section(BaseModel):
    """Base of all parts. `_kept` names the fields whose values are left as they are written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True, hide_input_in_errors=True
    )

    _kept: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, data: Any, info: ValidationInfo) -> Any:
        resolver = info.context
        if not isinstance(data, dict) or not isinstance(resolver, Resolver):
            return data
        resolved = None
        for name, value in data.items():
            if isinstance(value, dict | list) and name not in cls._kept and name in cls.model_fields:
                new = _resolved(value, cls._wants_text(name), resolver)
                if new is not value:
                    resolved = dict(data) if resolved is None else resolved
                    resolved[name] = new
        return data if resolved is None else resolved

    @classmethod
    def _wants_text(cls, name: str) -> bool:
        """Whether a field holds text (or a quantity, which is written as text)."""
        annotation = cls.model_fields[name].annotation
        kinds = {annotation, *get_args(annotation)}
        return not kinds & {int, float, bool} or bool(cls.model_fields[name].metadata)


def _resolved(value: Any, text: bool, resolver: Resolver) -> Any:
    """The value with references in it replaced; the same object where there are none."""
    if is_reference(value):
        found = resolver.plain(value)
        return found if text else scalar_of(found)
    if isinstance(value, dict) and value and all(is_reference(inner) for inner in value.values()):
        return {name: resolver.plain(inner) for name, inner in value.items()}
    if isinstance(value, dict) and any(is_reference(inner) for inner in value.values()):
        scalars = all(is_reference(inner) or not isinstance(inner, dict | list) for inner in value.values())
        if scalars:
            return {name: resolver.plain(inner) if is_reference(inner) else inner for name, inner in value.items()}
    if isinstance(value, list) and any(is_reference(inner) for inner in value):
        return [resolver.plain(inner) if is_reference(inner) else inner for inner in value]
    return value
