"""A request on Gemini's wire → an `Ask`, or `Bad` in the sentence that Gemini has for it.

Sources: https://ai.google.dev/api/generate-content, /gemini-api/docs/function-calling, /thought-signatures and
/structured-output. A model whose name begins with `gemini-3` wants the signature of a call back, as those models do,
and may call functions beside a JSON answer. A signature that comes back must be the one that was given with the call.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.gemini_shape import COUNTED, DATA, REQUEST, VIOLATION, WORDS, invalid, schema, tidy
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of
from gateway.sandbox.shape import Shape, check

_MIMES: Final = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
_UNEQUAL: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the "
    "function call turn."
)
_NO_SIGNATURE: Final = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object, in the names of gemini_shape.py. Raises `Bad`."""
    return _valid(tidy(_object(body), REQUEST), REQUEST)


def read_counted(body: bytes) -> dict[str, Any]:
    """The body of a count: the request whose tokens are wanted. Raises `Bad`."""
    request = _object(body)
    inner = tidy(request, COUNTED)
    if "generateContentRequest" in inner:
        return _valid({"contents": [], **inner}, COUNTED)["generateContentRequest"]  # type: ignore[no-any-return]
    return _valid(inner, COUNTED)


def signature_of(said: str) -> str:
    """What vouches for a call, or for what was thought before a text."""
    return base64.b64encode(b"sandbox" + sha256(said.encode("utf-8", "replace")).digest()).decode()


def called(name: str, args: Any) -> str:
    """What of a call is signed."""
    return f"{name} {msgspec.json.encode(args, order='sorted').decode()}"


def read_ask(request: dict[str, Any], model: str) -> Ask:
    """What is asked. Raises `Bad`."""
    contents = request["contents"]
    _contents(contents, model.startswith("gemini-3"))
    if "systemInstruction" in request:
        _parts("system_instruction", request["systemInstruction"])
    tools = tuple(_tools(request))
    config = request.get("generationConfig", {})
    wants_json, shape = _format(config, tools, model)
    thinking = config.get("thinkingConfig", {})
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise Bad("You can only set only one of thinking budget and thinking level.")
    if config.get("logprobs", 0) > 0 and config.get("responseLogprobs") is not True:
        raise invalid("generation_config.logprobs", "logprobs can only be set when response_logprobs is true.")
    may_call, forced = _choice(request, tools)
    last = contents[-1]["parts"]
    results = [_result(part["functionResponse"]) for part in last if "functionResponse" in part]
    texts = [part["text"] for part in last if "text" in part and part.get("thought") is not True]
    return Ask(
        said="\n".join(texts or results),
        prompt_tokens=prompt_tokens(request),
        results=tuple(results),
        tools=tools,
        forced=forced,
        may_call=may_call,
        schema=shape,
        wants_json=wants_json,
        most=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences", ())),
        seed=config.get("seed", 0),
        verbatim=name_of(model) == "echo",
    )


def prompt_tokens(request: dict[str, Any]) -> int:
    """The tokens of all texts and results."""
    return sum(len(tokens_of(text)) for text in _prompt(request))


def _object(body: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Bad(f"Invalid JSON payload received. {wrong}", VIOLATION, "") from None
    if not isinstance(request, dict):
        raise Bad("Invalid JSON payload received. Expected an object.", VIOLATION, "")
    return request


def _valid(request: dict[str, Any], shape: Shape) -> dict[str, Any]:
    check(request, shape, WORDS)
    return request


def _contents(contents: list[dict[str, Any]], signed: bool) -> None:
    if not contents:
        raise invalid("contents", "contents is not specified")
    owed: list[str] | None = None
    for at, content in enumerate(contents):
        where = f"contents[{at}]"
        role = content.get("role", "user")
        if role not in ("user", "model", "function"):
            raise Bad("Please use a valid role: user, model.")
        _parts(where, content)
        calls = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        results = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        if calls and (role != "model" or at == 0 or contents[at - 1].get("role", "user") == "model"):
            raise Bad(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        if results and (owed is None or role == "model"):
            raise Bad("Please ensure that function response turn comes immediately after a function call turn.")
        if owed is not None and sorted(owed) != sorted(results):
            raise Bad(_UNEQUAL)
        owed = calls or None
        if signed and calls:
            first = next(part for part in content["parts"] if "functionCall" in part)
            if "thoughtSignature" not in first and _is_current(contents, at):
                raise Bad(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                    "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                    f"data, function call `default_api:{first['functionCall']['name']}`, position {at + 1}."
                )
    if owed is not None:
        raise Bad(_UNEQUAL)


def _is_current(contents: list[dict[str, Any]], at: int) -> bool:
    """Whether no text of a user has followed: only the calls of the current turn need their signature."""
    later = [part for content in contents[at + 1 :] if content.get("role") != "model" for part in content["parts"]]
    return not any("text" in part for part in later)


def _parts(where: str, content: dict[str, Any]) -> None:
    if not content.get("parts"):
        raise invalid(f"{where}.parts", "contents.parts must not be empty.")
    for at, part in enumerate(content["parts"]):
        here = f"{where}.parts[{at}]"
        data = [name for name in DATA if name in part]
        if len(data) > 1:
            raise Bad(f"Invalid value at '{here}' (oneof), oneof field 'data' is already set.", VIOLATION, here)
        if not data and "thoughtSignature" not in part:
            raise invalid(f"{here}.data", "required oneof field 'data' must have one initialized field")
        if "inlineData" in part:
            _bytes(f"{here}.inline_data.data", part["inlineData"]["data"])
        if "thoughtSignature" in part:
            _signature(here, part)


def _bytes(where: str, text: str) -> bytes:
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Bad(
            f"Invalid value at '{where}' (TYPE_BYTES), Base64 decoding failed for \"{text[:40]}\"", VIOLATION, where
        ) from None


def _signature(where: str, part: dict[str, Any]) -> None:
    given = part["thoughtSignature"]
    if given in _NO_SIGNATURE:
        return
    raw = _bytes(f"{where}.thought_signature", given)
    if raw.decode("latin-1") in _NO_SIGNATURE:
        return
    call = part.get("functionCall")
    if call is None:
        expected = raw[:7] == b"sandbox"
    else:
        expected = raw == base64.b64decode(signature_of(called(call["name"], call.get("args", {}))))
    if not expected:
        raise Bad("Corrupted thought signature.")


def _tools(request: dict[str, Any]) -> Iterator[Tool]:
    names: set[str] = set()
    for at, tool in enumerate(request.get("tools", ())):
        for number, function in enumerate(tool.get("functionDeclarations", ())):
            where = ("tools", at, "functionDeclarations", number)
            if function["name"] in names:
                raise Bad(f"Duplicate function declaration found: {function['name']}")
            names.add(function["name"])
            if "parameters" in function and "parametersJsonSchema" in function:
                raise Bad(
                    f"* GenerateContentRequest.tools[{at}].function_declarations[{number}]: parameters and "
                    "parameters_json_schema are mutually exclusive.\n"
                )
            if "parameters" in function:
                yield Tool(function["name"], schema(function["parameters"], (*where, "parameters")))
            else:
                yield Tool(function["name"], function.get("parametersJsonSchema"))


def _choice(request: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[bool, str | None]:
    """Whether a function may be called, and which must."""
    config = request.get("toolConfig", {}).get("functionCallingConfig")
    if config is None:
        return True, None
    mode, allowed = config.get("mode", "AUTO"), config.get("allowedFunctionNames", [])
    if not tools and mode in ("ANY", "VALIDATED"):
        raise Bad("Function calling config is set without function_declarations.")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Bad("Allowed function names should only be set when function calling mode is ANY.")
    for at, name in enumerate(allowed):
        if name not in {tool.name for tool in tools}:
            raise invalid(
                f"tool_config.function_calling_config.allowed_function_names[{at}]",
                f"the function {name!r} is not among the function_declarations.",
            )
    forced = (allowed[0] if allowed else tools[0].name) if mode == "ANY" else None
    return mode != "NONE", forced


def _format(config: dict[str, Any], tools: tuple[Tool, ...], model: str) -> tuple[bool, Any]:
    """Whether JSON is wanted, and its schema."""
    mime = config.get("responseMimeType", "text/plain")
    if mime not in _MIMES:
        raise invalid(
            "generation_config.response_mime_type",
            "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and "
            "`text/x.enum`.",
        )
    schemas = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(schemas) > 1:
        raise invalid("generation_config.response_json_schema", "response_schema must be omitted when it is set.")
    if schemas and mime == "text/plain":
        raise invalid(
            "generation_config.response_schema", "response_schema is only supported with response_mime_type set."
        )
    if tools and mime != "text/plain" and not model.startswith("gemini-3"):
        raise Bad(f"Function calling with a response mime type: '{mime}' is unsupported")
    if "responseSchema" in config:
        return True, schema(config["responseSchema"], ("generationConfig", "responseSchema"))
    return mime == "application/json", config.get("responseJsonSchema")


def _prompt(request: dict[str, Any]) -> Iterator[str]:
    for content in (request.get("systemInstruction", {}), *request.get("contents", ())):
        for part in content.get("parts", ()):
            if "functionResponse" in part:
                yield _result(part["functionResponse"])
            elif "text" in part and part.get("thought") is not True:
                yield part["text"]


def _result(given: dict[str, Any]) -> str:
    """What a function said: `result` or `output` where that is a text, else all of it as JSON."""
    response = given["response"]
    told = response.get("result", response.get("output"))
    return told if isinstance(told, str) else msgspec.json.encode(response).decode()
