"""Which fields Bedrock's Converse has, and the words in which it refuses others.

Source: the service model of bedrock-runtime that AWS publishes with its SDKs (names, lengths, ranges, patterns). A
value of the wrong JSON type is a SerializationException, all else a ValidationException; a union has one member.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.sandbox.bedrock_errors import SERIALIZATION
from gateway.sandbox.refusal import Bad
from gateway.sandbox.shape import Shape, Where, anything, array, check, choice, flag, number, text, thing, whole

_DOCUMENTS: Final = ("json", "input", "additionalModelRequestFields")  # values that are any JSON, null and all
_SCALARS: Final[dict[type, str]] = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}
_ONE: Final = 1


def union(members: Mapping[str, Shape], **more: Any) -> Shape:
    """An object that has one of these members."""
    return thing(members, most=_ONE, **more)


def spell(where: Where) -> str:
    """`messages.0.content`, as Bedrock's own sentences have it."""
    return ".".join(str(step) for step in where)


def _member(where: Where) -> str:
    """`messages.1.member.content`, as the sentences of AWS's framework have it."""
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step for step in where)


def _failed(where: Where, value: Any, constraint: str) -> Bad:
    shown = f" '{value}'" if isinstance(value, str | int | float) else ""
    at = _member(where)
    return Bad(
        f"1 validation error detected: Value{shown} at '{at}' failed to satisfy constraint: Member must {constraint}"
    )


class _Words:
    """See `shape.Words`."""

    def kind(self, where: Where, value: Any, shape: Shape) -> Bad:
        if isinstance(value, list):
            message = "Start of list found where not expected"
        elif isinstance(value, dict):
            message = "Start of structure or map found where not expected."
        elif shape.kind in ("array", "object"):
            message = "Unexpected field type"
        else:
            found = (
                f"{value}".upper() + "_VALUE" if isinstance(value, bool) else _SCALARS.get(type(value), "NULL_VALUE")
            )
            wanted = {"integer": "Integer", "number": "Float", "boolean": "Boolean"}.get(shape.kind, "String")
            message = f"{found} can not be converted to {wanted}"
        return Bad(message, SERIALIZATION)

    def missing(self, where: Where) -> Bad:
        return _failed(where, None, "not be null")

    def unknown(self, where: Where, name: str) -> Bad:
        pointer = "".join(f"/{step}" for step in where)
        return Bad(
            f"The model returned the following errors: Malformed input request: #{pointer}: extraneous key [{name}] is "
            "not permitted, please reformat your input and try again."
        )

    def range(self, where: Where, value: Any, shape: Shape) -> Bad:
        if shape.low is not None and value < shape.low:
            return _failed(where, value, f"have value greater than or equal to {shape.low:g}")
        return _failed(where, value, f"have value less than or equal to {shape.high:g}")

    def choice(self, where: Where, value: Any, choices: tuple[Any, ...]) -> Bad:
        return _failed(where, value, f"satisfy enum value set: [{', '.join(choices)}]")

    def length(self, where: Where, value: Any, shape: Shape) -> Bad:
        if len(value) < shape.least:
            return _failed(where, value, f"have length greater than or equal to {shape.least}")
        if shape.most is not None and len(value) > shape.most:
            return _failed(where, value, f"have length less than or equal to {shape.most}")
        return _failed(where, value, f"satisfy regular expression pattern: {shape.pattern}")

    def variant(self, where: Where, tag: str, value: Any, known: tuple[str, ...]) -> Bad:
        return self.choice((*where, tag), value, known)

    def inside(self, where: Where, variant: str) -> Where:
        del variant
        return where


def read(body: bytes, shape: Shape) -> dict[str, Any]:
    """The body as an object of this shape, without its nulls. Raises `Bad`."""
    try:
        decoded = msgspec.json.decode(body or b"{}")
        request = _without_nulls(decoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Bad("Unable to parse the request body as JSON.", SERIALIZATION) from None
    if not isinstance(request, dict):
        raise Bad("Unexpected field type", SERIALIZATION)
    check(request, shape, _Words())
    _unions(request, shape, ())
    return request


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: each if key in _DOCUMENTS else _without_nulls(each) for key, each in value.items() if each is not None
        }
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _unions(value: Any, shape: Shape, where: Where) -> None:
    """Every union has its one member, and every blob is base64."""
    if shape.kind == "array" and shape.items is not None:
        for at, each in enumerate(value):
            _unions(each, shape.items, (*where, at))
    elif shape.kind == "object" and shape.fields is not None:
        if shape.most == _ONE and len(value) != _ONE:
            members = ", ".join(shape.fields)
            raise Bad(f"The value at {spell(where)} must set exactly one of the following keys: {members}.")
        for name, each in value.items():
            _unions(each, shape.fields[name], (*where, name))
    elif shape is BLOB:
        try:
            b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Bad(f"The value at {spell(where)} is not base64.", SERIALIZATION) from None


BLOB: Final = text(least=1)
_NAME: Final = text(least=1, most=64, pattern="[a-zA-Z0-9_-]+", required=True)
_ID: Final = text(least=1, most=64, pattern="[a-zA-Z0-9_.:-]+", required=True)
_DOCUMENT: Final = anything(required=True)
_S3: Final = thing(
    {
        "uri": text(least=1, most=1024, pattern=r"s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?", required=True),
        "bucketOwner": text(pattern="[0-9]{12}"),
    }
)
_SOURCE: Final = union({"bytes": BLOB, "s3Location": _S3}, required=True)
_CITED: Final = thing({"enabled": flag(required=True)})
_CACHE: Final = thing({"type": choice("default", required=True), "ttl": choice("5m", "1h")})
_IMAGE: Final = thing({"format": choice("png", "jpeg", "gif", "webp", required=True), "source": _SOURCE})
_FILE: Final = thing(
    {
        "format": choice("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"),
        "name": text(least=1, most=200, required=True),
        "source": union(
            {"bytes": BLOB, "s3Location": _S3, "text": text(), "content": array(union({"text": text()}))}, required=True
        ),
        "context": text(),
        "citations": _CITED,
    }
)
_VIDEO: Final = thing(
    {
        "format": choice("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp", required=True),
        "source": _SOURCE,
    }
)
_AUDIO: Final = thing(
    {
        "format": choice(
            "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
            "webm", required=True,
        ),
        "source": _SOURCE,
    }
)  # fmt: skip
_FOUND: Final = thing(
    {
        "source": text(required=True),
        "title": text(required=True),
        "content": array(thing({"text": text(required=True)}), required=True),
        "citations": _CITED,
    }
)
_RESULT: Final = thing(
    {
        "toolUseId": _ID,
        "content": array(
            union(
                {
                    "json": anything(),
                    "text": text(),
                    "image": _IMAGE,
                    "document": _FILE,
                    "video": _VIDEO,
                    "searchResult": _FOUND,
                }
            ),
            required=True,
        ),
        "status": choice("success", "error"),
        "type": text(),
    }
)
_REASONING: Final = union(
    {
        "reasoningText": thing({"text": text(required=True), "signature": text()}),
        "redactedContent": BLOB,
    }
)
_GUARDED: Final = union({"text": thing({"text": text(required=True), "qualifiers": array(text())}), "image": _IMAGE})
_BLOCK: Final = union(
    {
        "text": text(),
        "image": _IMAGE,
        "document": _FILE,
        "video": _VIDEO,
        "audio": _AUDIO,
        "toolUse": thing({"toolUseId": _ID, "name": _NAME, "input": _DOCUMENT, "type": choice("server_tool_use")}),
        "toolResult": _RESULT,
        "guardContent": _GUARDED,
        "cachePoint": _CACHE,
        "reasoningContent": _REASONING,
        "citationsContent": thing({"content": array(union({"text": text()})), "citations": array()}),
        "searchResult": _FOUND,
    }
)
_TOOL: Final = union(
    {
        "toolSpec": thing(
            {
                "name": _NAME,
                "description": text(least=1),
                "inputSchema": union({"json": anything()}, required=True),
                "strict": flag(),
            }
        ),
        "systemTool": thing({"name": _NAME}),
        "cachePoint": _CACHE,
    }
)
_JSON_SCHEMA: Final = thing({"schema": text(required=True), "name": text(), "description": text()})
_CONVERSATION: Final[dict[str, Shape]] = {
    "messages": array(
        thing({"role": choice("user", "assistant", required=True), "content": array(_BLOCK, required=True)})
    ),
    "system": array(union({"text": text(least=1), "guardContent": _GUARDED, "cachePoint": _CACHE})),
    "toolConfig": thing(
        {
            "tools": array(_TOOL, least=1, required=True),
            "toolChoice": union({"auto": thing({}), "any": thing({}), "tool": thing({"name": _NAME})}),
        }
    ),
    "additionalModelRequestFields": thing(),
}

CONVERSE: Final = thing(
    {
        **_CONVERSATION,
        "inferenceConfig": thing(
            {
                "maxTokens": whole(1),
                "temperature": number(0, 1),
                "topP": number(0, 1),
                "stopSequences": array(text(least=1), most=2500),
            }
        ),
        "guardrailConfig": thing(
            {
                "guardrailIdentifier": text(most=2048),
                "guardrailVersion": text(pattern="(|([1-9][0-9]{0,7})|(DRAFT))"),
                "trace": choice("enabled", "disabled", "enabled_full"),
                "streamProcessingMode": choice("sync", "async"),
            }
        ),
        "promptVariables": thing(),
        "additionalModelResponseFieldPaths": array(text(least=1, most=256), most=10),
        "requestMetadata": thing(),
        "performanceConfig": thing({"latency": choice("standard", "optimized")}),
        "serviceTier": thing({"type": choice("priority", "default", "flex", "reserved", required=True)}),
        "outputConfig": thing(
            {
                "textFormat": thing(
                    {
                        "type": choice("json_schema", required=True),
                        "structure": union({"jsonSchema": _JSON_SCHEMA}, required=True),
                    }
                ),
                "effort": text(most=16),
            }
        ),
    }
)
COUNT: Final = thing(
    {
        "input": union(
            {
                "invokeModel": thing({"body": BLOB}),
                "converse": thing(_CONVERSATION),
            },
            required=True,
        )
    }
)
