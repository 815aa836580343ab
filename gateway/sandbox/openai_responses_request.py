"""A request on OpenAI's Responses wire → an `Ask`, or `Bad` in the sentence that OpenAI has for it.

Sources: https://platform.openai.com/docs/api-reference/responses/create, /guides/reasoning, /guides/structured-outputs,
/guides/function-calling. The sandbox keeps nothing, so that a response, a conversation or an item that is only named is
not found. Encrypted reasoning must come back as it was given; it vouches for itself.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.openai_responses_shape import COUNTED, INPUT_PARTS, OUTPUTS, REQUEST, WORDS, kind_of, listed
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of
from gateway.sandbox.shape import check

_PREFIXES: Final = {"message": "msg", "function_call": "fc", "reasoning": "rs"}


def encrypted(thought: str) -> str:
    """What stands for a thought that OpenAI keeps to itself."""
    return _sealed(sha256(thought.encode("utf-8", "replace")).digest()[:16])


def _sealed(nonce: bytes) -> str:
    return base64.urlsafe_b64encode(b"\x80" + bytes(6) + nonce + sha256(nonce).digest()[:16]).decode()


def _is_ours(given: str) -> bool:
    """Whether it was made by `encrypted`, whatever became of the summary beside it."""
    try:
        return given == _sealed(base64.urlsafe_b64decode(given)[7:23])
    except ValueError:  # no base64, or no ASCII
        return False


def items_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The input as items, each with its type."""
    given = request.get("input", [])
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return [{"type": "message", **item} for item in given]


def read_ask(request: dict[str, Any], counted: bool = False) -> Ask:
    """What is asked; `counted` says that only its tokens are wanted. Raises `Bad`."""
    check(request, COUNTED if counted else REQUEST, WORDS)
    _kept_elsewhere(request)
    items = items_of(request)
    if not items:
        raise Bad(
            "Missing required parameter: 'input'. One of 'input', 'previous_response_id', 'prompt' or 'conversation' "
            "must be provided.",
            "missing_required_parameter",
            "input",
        )
    for at, item in enumerate(items):
        _item(at, item)
    _pairing(items)
    _followed(items)
    if request.get("stream_options") is not None and request.get("stream") is not True:
        raise Bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", None, "stream_options")
    _metadata(request.get("metadata"))
    tools = _tools(request)
    may_call, forced = _choice(request, tools)
    wants_json, schema = _format(request)
    results = []
    for item in reversed(items):
        if item["type"] != "function_call_output":
            break
        results.append(_text(item["output"]))
    results.reverse()
    last = items[-1]
    said = "\n".join(results) if results else _text(last.get("content"))
    return Ask(
        said=said,
        prompt_tokens=sum(len(tokens_of(each)) for each in _prompt(request)),
        results=tuple(results),
        tools=tools,
        forced=forced,
        may_call=may_call,
        parallel=request.get("parallel_tool_calls") is not False,
        schema=schema,
        wants_json=wants_json,
        most=request.get("max_output_tokens"),
        verbatim=name_of(request["model"]) == "echo",
    )


def _kept_elsewhere(request: dict[str, Any]) -> None:
    previous = request.get("previous_response_id")
    if previous is not None:
        raise Bad(
            f"Previous response with id '{previous}' not found.", "previous_response_not_found", "previous_response_id"
        )
    conversation = request.get("conversation")
    if conversation is not None:
        named = conversation if isinstance(conversation, str) else conversation.get("id")
        raise Bad(f"Conversation with id '{named}' not found.", None, "conversation", status=404)
    if request.get("prompt") is not None:
        raise Bad(f"Prompt with id '{request['prompt'].get('id')}' not found.", None, "prompt", status=404)


def _item(at: int, item: dict[str, Any]) -> None:
    kind, given = item["type"], item.get("id")
    prefix = _PREFIXES.get(kind)
    if kind == "item_reference":
        raise Bad(f"Item with id '{given}' not found.", None, "input", status=404)
    if prefix is not None and given is not None and not given.startswith(prefix):
        raise Bad(
            f"Invalid 'input[{at}].id': '{given}'. Expected an ID that begins with '{prefix}'.",
            "invalid_value",
            f"input[{at}].id",
        )
    if kind == "message":
        known = tuple(OUTPUTS) if item["role"] == "assistant" else INPUT_PARTS
        for number, part in enumerate(item["content"] if isinstance(item["content"], list) else ()):
            if part["type"] not in known:
                raise Bad(
                    f"Invalid value: '{part['type']}'. Supported values are: {listed(known)}.",
                    "invalid_value",
                    f"input[{at}].content[{number}].type",
                )
            _attachment(f"input[{at}].content[{number}]", part)
    if kind == "reasoning" and item.get("encrypted_content") is not None:
        given = item["encrypted_content"]
        if not _is_ours(given):
            raise Bad(
                f"The encrypted content {given[:12]}... could not be verified. Reason: Encrypted content could not be "
                "decrypted or parsed.",
                "invalid_encrypted_content",
            )


def _attachment(where: str, part: dict[str, Any]) -> None:
    if part["type"] == "input_image":
        url = part.get("image_url")
        if url is None and part.get("file_id") is None:
            raise Bad(f"Missing required parameter: '{where}.image_url'.", "missing_required_parameter", where)
        if url is not None and not url.startswith(("https://", "http://", "data:image/")):
            raise Bad(
                f"Invalid '{where}.image_url'. Expected a valid URL, but got a value with an invalid format.",
                "invalid_value",
                f"{where}.image_url",
            )
    if part["type"] == "input_file":
        data = part.get("file_data")
        if data is None and part.get("file_id") is None and part.get("file_url") is None:
            raise Bad(f"Missing required parameter: '{where}.file_data'.", "missing_required_parameter", where)
        if data is not None and not data.startswith("data:"):
            raise Bad(
                f"Invalid '{where}.file_data'. Expected a base64-encoded data URL with a mime type (e.g. "
                "'data:application/pdf;base64,aGVsbG8='), but got a value without the 'data:' prefix.",
                "invalid_value",
                f"{where}.file_data",
            )


def _pairing(items: list[dict[str, Any]]) -> None:
    """Every call has its output, after it."""
    called: list[str] = []
    answered: list[str] = []
    for item in items:
        if item["type"] == "function_call":
            called.append(item["call_id"])
        elif item["type"] == "function_call_output":
            if item["call_id"] not in called:
                raise Bad(f"No tool call found for function call output with call_id {item['call_id']}.", None, "input")
            answered.append(item["call_id"])
    for each in called:
        if each not in answered:
            raise Bad(f"No tool output found for function call {each}.", None, "input")


def _followed(items: list[dict[str, Any]]) -> None:
    """What was thought is followed by what it was thought for."""
    for at, item in enumerate(items):
        if item["type"] != "reasoning":
            continue
        after = items[at + 1] if at + 1 < len(items) else {"type": "", "role": ""}
        if after["type"] in ("", "function_call_output") or after.get("role") in ("user", "system", "developer"):
            raise Bad(
                f"Item '{item.get('id', 'rs_')}' of type 'reasoning' was provided without its required following item.",
                None,
                "input",
            )


def _metadata(metadata: dict[str, Any] | None) -> None:
    if metadata is None:
        return
    if len(metadata) > 16:
        raise Bad(
            "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object "
            f"with {len(metadata)} properties instead.",
            "object_above_max_properties",
            "metadata",
        )
    for name, value in metadata.items():
        if not isinstance(value, str):
            raise Bad(
                f"Invalid type for 'metadata.{name}': expected a string, but got {kind_of(value)} instead.",
                "invalid_type",
                f"metadata.{name}",
            )


def _tools(request: dict[str, Any]) -> tuple[Tool, ...]:
    tools = []
    for at, tool in enumerate(request.get("tools", ())):
        if tool["type"] != "function":
            continue
        schema = tool.get("parameters")
        if tool.get("strict") is True:
            problem = _loose(schema)
            if problem is not None:
                raise Bad(
                    f"Invalid schema for function '{tool['name']}': {problem}",
                    "invalid_function_parameters",
                    f"tools[{at}].parameters",
                )
        tools.append(Tool(tool["name"], schema))
    return tuple(tools)


def _choice(request: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[bool, str | None]:
    """Whether a tool may be called, and which must."""
    choice = request.get("tool_choice", "auto")
    if choice in ("auto", "none"):
        return choice == "auto", None
    names = [tool.name for tool in tools]
    if choice == "required":
        if not request.get("tools"):
            raise Bad("Tool choice 'required' must be specified with 'tools' parameter.", None, "tool_choice")
        return True, names[0] if names else None
    if choice["type"] == "function":
        if choice["name"] not in names:
            raise Bad("Tool choice 'function' not found in 'tools' parameter.", None, "tool_choice")
        return True, choice["name"]
    if choice["type"] == "allowed_tools":
        allowed = [tool.get("name") for tool in choice["tools"]]
        if not set(allowed) <= {tool.get("name") for tool in request.get("tools", ())}:
            raise Bad("Tool choice 'allowed_tools' not found in 'tools' parameter.", None, "tool_choice")
        known = [name for name in allowed if name in names]
        return bool(known), known[0] if choice["mode"] == "required" and known else None
    return True, None


def _format(request: dict[str, Any]) -> tuple[bool, Any]:
    """Whether any JSON is wanted, and the schema where there is one."""
    format_ = request.get("text", {}).get("format", {"type": "text"})
    if format_["type"] == "json_object" and not any("json" in text.lower() for text in _prompt(request)):
        raise Bad(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
            "'json_object'.",
            None,
            "input",
        )
    if format_["type"] != "json_schema":
        return format_["type"] == "json_object", None
    problem = _loose(format_["schema"]) if format_.get("strict") is True else None
    if problem is not None:
        raise Bad(
            f"Invalid schema for response_format '{format_['name']}': {problem}",
            "invalid_json_schema",
            "text.format.schema",
        )
    return True, format_["schema"]


def _loose(schema: Any, context: tuple[str, ...] = ()) -> str | None:
    """What keeps a schema from being strict: an object names all its properties as required, and no others."""
    if not isinstance(schema, dict):
        return None
    shown = f"In context=({', '.join(repr(each) for each in context)}{',' if len(context) == 1 else ''}), "
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            return f"{shown}'additionalProperties' is required to be supplied and to be false."
        required = schema.get("required")
        required = required if isinstance(required, list) else []
        lacking = next((name for name in properties if name not in required), None)
        if lacking is not None:
            return (
                f"{shown}'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{lacking}'."
            )
    inner: list[tuple[tuple[str, ...], Any]] = [
        ((*context, "properties", name), each) for name, each in properties.items()
    ]
    inner.append(((*context, "items"), schema.get("items")))
    for word in ("anyOf", "allOf"):
        rows = schema.get(word)
        inner += [((*context, word, str(at)), each) for at, each in enumerate(rows if isinstance(rows, list) else ())]
    defs = schema.get("$defs")
    inner += [((*context, "$defs", name), each) for name, each in (defs if isinstance(defs, dict) else {}).items()]
    return next((problem for where, each in inner if (problem := _loose(each, where)) is not None), None)


def _prompt(request: dict[str, Any]) -> Iterator[str]:
    yield request.get("instructions") or ""
    for item in items_of(request):
        yield _text(item.get("content") if item["type"] == "message" else item.get("output"))


def _text(content: Any) -> str:
    """The texts of a content, or of an output."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text", part.get("refusal")) for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))
