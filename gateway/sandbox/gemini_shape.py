"""Which fields Gemini's generateContent has, and the words in which it refuses others.

Sources: https://ai.google.dev/api/generate-content and /api/caching (Content, Part, Tool, Schema), the types of
Google's Python SDK; the sentences are those that the API was seen to answer. As in every JSON of a protocol buffer,
names may be written with underscores and `null` is absent: `tidy` makes of a request what the shapes expect.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.sandbox.refusal import Bad
from gateway.sandbox.shape import Shape, Where, anything, array, choice, flag, number, text, thing, whole

VIOLATION: Final = "field_violation"
_TYPES: Final = {
    "boolean": "TYPE_BOOL",
    "integer": "TYPE_INT32",
    "number": "TYPE_FLOAT",
    "string": "TYPE_STRING",
}


def spell(where: Where) -> str:
    """`contents[0].function_call`."""
    spelled = ""
    for step in where:
        if isinstance(step, int):
            spelled += f"[{step}]"
        else:
            name = re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", step)
            spelled += f".{name}" if spelled else name
    return spelled


def invalid(where: str, message: str) -> Bad:
    """A request whose shape is right and whose values are not."""
    return Bad(f"* GenerateContentRequest.{where}: {message}\n")


class _Words:
    """See `shape.Words`."""

    def kind(self, where: Where, value: Any, shape: Shape) -> Bad:
        at = spell(where)
        if isinstance(value, list):
            message = f"Invalid JSON payload received. Unknown name \"{spell(where[-1:])}\" at '{spell(where[:-1])}': "
            message += "Proto field is not repeating, cannot start list."
        elif shape.kind in ("array", "object"):
            message = f"Invalid value at '{at}' (Message), {_shown(value)}"
        else:
            message = f"Invalid value at '{at}' ({_TYPES[shape.kind]}), {_shown(value)}"
        return Bad(message, VIOLATION, at)

    def missing(self, where: Where) -> Bad:
        return invalid(spell(where), f"{spell(where[-1:])} is not specified")

    def unknown(self, where: Where, name: str) -> Bad:
        at = f" at '{spell(where)}'" if where else ""
        return Bad(
            f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.', VIOLATION, spell(where)
        )

    def range(self, where: Where, value: Any, shape: Shape) -> Bad:
        name = spell(where[-1:])
        if shape.high is None:
            return invalid(spell(where), f"{name} must be at least {shape.low:g}.")
        return invalid(spell(where), f"{name} must be in the range [{shape.low:.10g}, {shape.high:.10g}].")

    def choice(self, where: Where, value: Any, choices: tuple[Any, ...]) -> Bad:
        return Bad(f"Invalid value at '{spell(where)}' (TYPE_ENUM), {_shown(value)}", VIOLATION, spell(where))

    def length(self, where: Where, value: Any, shape: Shape) -> Bad:
        if shape.pattern is not None:
            return Bad(
                f"The GenerateContentRequest proto is invalid:\n  * {spell(where)}: [FIELD_INVALID] Invalid function "
                "name. Must start with a letter or an underscore. Must be a-z, A-Z, 0-9, or contain underscores (_), "
                "dots (.), colons (:), or dashes (-), with a maximum length of 64."
            )
        name = spell(where[-1:])
        if len(value) < shape.least:
            return invalid(spell(where), f"{name} must not be empty.")
        return invalid(spell(where), f"{name} must have at most {shape.most} elements.")

    def variant(self, where: Where, tag: str, value: Any, known: tuple[str, ...]) -> Bad:
        return self.choice((*where, tag), value, known)

    def inside(self, where: Where, variant: str) -> Where:
        return where


WORDS: Final = _Words()


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else "true" if value is True else str(value)


_NAME: Final = r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"
_BLOB: Final = thing({"mimeType": text(required=True, least=1), "data": text(required=True), "displayName": text()})
_FILE: Final = thing({"fileUri": text(required=True, least=1), "mimeType": text(), "displayName": text()})
_PART: Final = thing(
    {
        "text": text(),
        "inlineData": _BLOB,
        "fileData": _FILE,
        "functionCall": thing({"id": text(), "name": text(required=True, pattern=_NAME), "args": thing()}),
        "functionResponse": thing(
            {
                "id": text(),
                "name": text(required=True, pattern=_NAME),
                "response": thing(required=True),
                "parts": array(thing({"inlineData": _BLOB, "fileData": _FILE})),
                "willContinue": flag(),
                "scheduling": choice("SILENT", "WHEN_IDLE", "INTERRUPT"),
            }
        ),
        "executableCode": thing(),
        "codeExecutionResult": thing(),
        "toolCall": thing(),
        "toolResponse": thing(),
        "thought": flag(),
        "thoughtSignature": text(),
        "videoMetadata": thing(),
        "mediaResolution": anything(),
        "partMetadata": thing(),
    }
)
DATA: Final = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
    "toolCall", "toolResponse",
)  # fmt: skip
_CONTENT: Final = thing({"parts": array(_PART), "role": text()})
_CONTENTS: Final = array(_CONTENT, required=True)
_FUNCTION: Final = thing(
    {
        "name": text(required=True, pattern=_NAME),
        "description": text(),
        "parameters": thing(),
        "parametersJsonSchema": anything(),
        "response": thing(),
        "responseJsonSchema": anything(),
        "behavior": choice("BLOCKING", "NON_BLOCKING"),
    }
)
_TOOL: Final = thing(
    {
        "functionDeclarations": array(_FUNCTION),
        **dict.fromkeys(
            (
                "googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "computerUse", "fileSearch",
                "googleMaps",
            ),
            thing(),
        ),
        "mcpServers": array(thing()),
    }
)  # fmt: skip
_TOOL_CONFIG: Final = thing(
    {
        "functionCallingConfig": thing(
            {
                "mode": choice("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"),
                "allowedFunctionNames": array(text()),
            }
        ),
        "retrievalConfig": thing(),
        "includeServerSideToolInvocations": flag(),
    }
)
_CATEGORIES: Final = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY")
_SAFETY: Final = thing(
    {
        "category": choice(*(f"HARM_CATEGORY_{name}" for name in _CATEGORIES), either=(whole(),)),
        "threshold": choice(
            "HARM_BLOCK_THRESHOLD_UNSPECIFIED", "BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH",
            "BLOCK_NONE", "OFF", either=(whole(),),
        ),
    }
)  # fmt: skip
_CONFIG: Final = thing(
    {
        "candidateCount": whole(1, 8),
        "stopSequences": array(text(), most=5),
        "maxOutputTokens": whole(1),
        "temperature": number(0, 2),
        "topP": number(0, 1),
        "topK": number(1),
        "seed": whole(-(1 << 31), (1 << 31) - 1),
        "presencePenalty": number(-2, 2),
        "frequencyPenalty": number(-2, 2),
        "responseMimeType": text(),
        "responseSchema": thing(),
        "responseJsonSchema": anything(),
        "responseFormat": anything(),
        "responseModalities": array(choice("TEXT", "IMAGE", "AUDIO")),
        "responseLogprobs": flag(),
        "logprobs": whole(0, 20),
        "enableEnhancedCivicAnswers": flag(),
        "speechConfig": thing(),
        "mediaResolution": text(),
        "imageConfig": thing(),
        "thinkingConfig": thing(
            {
                "includeThoughts": flag(),
                "thinkingBudget": whole(-1, 32768),
                "thinkingLevel": choice("THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"),
            }
        ),
    }
)
REQUEST: Final = thing(
    {
        "model": text(),
        "contents": _CONTENTS,
        "systemInstruction": _CONTENT,
        "tools": array(_TOOL),
        "toolConfig": _TOOL_CONFIG,
        "safetySettings": array(_SAFETY),
        "generationConfig": _CONFIG,
        "cachedContent": text(),
        "serviceTier": text(),
        "store": flag(),
    }
)
COUNTED: Final = thing({"model": text(), "contents": _CONTENTS, "generateContentRequest": REQUEST})

_SCHEMA_FIELDS: Final = (
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    "default", "items", "minimum", "maximum",
)  # fmt: skip
_SCHEMA_TYPES: Final = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED")


def tidy(value: Any, shape: Shape) -> Any:
    """The same in the shape's own names, without nulls, with enumerations in capitals; what is free stays as it is."""
    shape = next((each for each in (shape, *shape.either) if _fits(value, each)), shape)
    if isinstance(value, list) and shape.items is not None:
        return [tidy(each, shape.items) for each in value]
    if isinstance(value, str) and shape.choices:
        return value.upper()
    if not isinstance(value, dict) or shape.fields is None:
        return value
    tidied = {}
    for name, each in value.items():
        named = _camel(name) if name not in shape.fields and _camel(name) in shape.fields else name
        if each is not None:
            tidied[named] = tidy(each, shape.fields[named]) if named in shape.fields else each
    return tidied


def schema(value: Any, where: Where, depth: int = 0) -> Any:
    """A `Schema` as a JSON Schema. Raises `Bad`, for it has a part of OpenAPI's words and none of JSON Schema's own."""
    if not isinstance(value, dict) or depth > 64:
        raise WORDS.kind(where, value, thing())
    made: dict[str, Any] = {}
    for written, each in value.items():
        name = _camel(written) if written not in _SCHEMA_FIELDS else written
        if name not in _SCHEMA_FIELDS:
            raise WORDS.unknown(where, written)
        inside = (*where, name)
        if each is None:
            continue
        match name:
            case "type":
                if not isinstance(each, str):
                    raise WORDS.kind(inside, each, text())
                if each.upper() not in _SCHEMA_TYPES:
                    raise WORDS.choice(inside, each, _SCHEMA_TYPES)
                made["type"] = each.lower()
            case "properties":
                if not isinstance(each, dict):
                    raise WORDS.kind(inside, each, thing())
                rows = enumerate(each.items())
                made["properties"] = {key: schema(row, (*inside, at, "value"), depth + 1) for at, (key, row) in rows}
            case "items":
                made["items"] = schema(each, inside, depth + 1)
            case "anyOf":
                if not isinstance(each, list):
                    raise WORDS.kind(inside, each, array())
                made["anyOf"] = [schema(row, (*inside, at), depth + 1) for at, row in enumerate(each)]
            case "enum":
                if not isinstance(each, list) or not all(isinstance(row, str) for row in each):
                    raise WORDS.kind(inside, each, text())
                made["enum"] = each
            case _:
                made[name] = each
    if made.get("type") == "array" and "items" not in made:
        raise invalid(spell((*where, "items")), "missing field.")
    if made.get("type") == "object":
        for at, name in enumerate(made.get("required", ())):
            if name not in made.get("properties", {}):
                raise invalid(spell((*where, "required", at)), "property is not defined")
    return made


def _fits(value: Any, shape: Shape) -> bool:
    kinds = {"array": list, "object": dict, "string": str}
    return shape.kind in kinds and isinstance(value, kinds[shape.kind])


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
