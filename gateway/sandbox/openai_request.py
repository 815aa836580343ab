"""A chat request on OpenAI's wire → an `Ask`, or `Bad` in the words that OpenAI has for it.

Source: https://platform.openai.com/docs/api-reference/chat/create, and the errors that it was seen to answer. Checked
are the types and ranges of what the sandbox reads, and that tool results answer tool calls. `null` counts as absent,
as it does there. What the sandbox does not read is not checked, so that every dialect's extras pass.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of

_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "an array": (list,),
    "a boolean": (bool,),
    "a decimal": (int, float),
    "an integer": (int,),
    "an object": (dict,),
    "a string": (str,),
}

# field: its kinds, then its least and greatest value
_FIELDS: Final[dict[str, tuple[tuple[str, ...], float | None, float | None]]] = {
    "frequency_penalty": (("a decimal",), -2, 2),
    "logprobs": (("a boolean",), None, None),
    "max_completion_tokens": (("an integer",), 1, None),
    "max_tokens": (("an integer",), 1, None),
    "n": (("an integer",), 1, 128),
    "parallel_tool_calls": (("a boolean",), None, None),
    "presence_penalty": (("a decimal",), -2, 2),
    "response_format": (("an object",), None, None),
    "seed": (("an integer",), None, None),
    "stop": (("a string", "an array"), None, None),
    "stream": (("a boolean",), None, None),
    "stream_options": (("an object",), None, None),
    "temperature": (("a decimal",), 0, 2),
    "tool_choice": (("a string", "an object"), None, None),
    "tools": (("an array",), None, None),
    "top_logprobs": (("an integer",), 0, 20),
    "top_p": (("a decimal",), 0, 1),
    "user": (("a string",), None, None),
}


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises `Bad`."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Bad(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
        ) from None
    if not isinstance(request, dict):
        raise Bad(f"Invalid type for the body: expected an object, but got {_kind_of(request)} instead.")
    return request


def model_of(request: dict[str, Any]) -> str:
    """The model's id. Raises `Bad`."""
    model = request.get("model")
    if model is None or model == "":
        raise Bad("you must provide a model parameter")
    if not isinstance(model, str):
        raise _wrong("model", model, "a string")
    return model


def read_ask(request: dict[str, Any], model: str) -> Ask:
    """What is asked. Raises `Bad` that names the field."""
    for field, (kinds, low, high) in _FIELDS.items():
        value = request.get(field)
        if value is not None:
            _expect(field, value, kinds)
            _within(field, value, kinds[0].rpartition(" ")[2], low, high)
    messages = _messages(request)
    last = messages[-1]
    results = []
    for message in reversed(messages):
        if message["role"] not in ("tool", "function"):
            break
        results.append(_text_of(message.get("content")))
    if request.get("stream_options") is not None and request.get("stream") is not True:
        raise Bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", None, "stream_options")
    if _get(request, "top_logprobs", 0) > 0 and request.get("logprobs") is not True:
        raise Bad("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", None, "top_logprobs")
    tools = _tools(request)
    may_call, forced = _choice(request, tools)
    wants_json, schema = _format(request)
    most = request.get("max_completion_tokens")
    return Ask(
        said=_text_of(last.get("content")),
        prompt_tokens=sum(len(tokens_of(_text_of(message.get("content")))) for message in messages),
        results=tuple(reversed(results)),
        tools=tools,
        forced=forced,
        may_call=may_call,
        parallel=request.get("parallel_tool_calls") is not False,
        schema=schema,
        wants_json=wants_json,
        most=request.get("max_tokens") if most is None else most,
        stops=_stops(request),
        seed=_get(request, "seed", 0),
        verbatim=name_of(model) == "echo",
    )


def _get(request: dict[str, Any], field: str, otherwise: int) -> int:
    value = request.get(field)
    return otherwise if value is None else value


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return next(name for name, types in reversed(_KINDS.items()) if isinstance(value, types))


def _expect(field: str, value: Any, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        if isinstance(value, _KINDS[kind]) and (kind == "a boolean" or not isinstance(value, bool)):
            return
    raise _wrong(field, value, kinds[0] if len(kinds) == 1 else f"one of {' or '.join(kinds)}")


def _wrong(field: str, value: Any, wanted: str) -> Bad:
    return Bad(
        f"Invalid type for '{field}': expected {wanted}, but got {_kind_of(value)} instead.", "invalid_type", field
    )


def missing(field: str) -> Bad:
    """The refusal of a request that lacks a field."""
    return Bad(f"Missing required parameter: '{field}'.", "missing_required_parameter", field)


def _within(field: str, value: Any, kind: str, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise Bad(
            f"Invalid '{field}': {kind} below minimum value. Expected a value >= {low:g}, but got {value} instead.",
            f"{kind}_below_min_value",
            field,
        )
    if high is not None and value > high:
        raise Bad(
            f"Invalid '{field}': {kind} above maximum value. Expected a value <= {high:g}, but got {value} instead.",
            f"{kind}_above_max_value",
            field,
        )


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    messages = request.get("messages")
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise _wrong("messages", messages, "an array of objects")
    if not messages:
        raise Bad(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "empty_array",
            "messages",
        )
    owed: list[Any] = []
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        _expect(where, message, ("an object",))
        role = message.get("role")
        if role is None:
            raise missing(f"{where}.role")
        if role not in _ROLES:
            known = ", ".join(f"'{each}'" for each in _ROLES[:-1])
            raise Bad(
                f"Invalid value: {role!r}. Supported values are: {known}, and '{_ROLES[-1]}'.",
                "invalid_value",
                f"{where}.role",
            )
        _content(f"{where}.content", message)
        owed = _pairing(where, message, owed)
    if owed:
        raise _unanswered(owed, len(messages) - 1)
    return messages


def _content(where: str, message: dict[str, Any]) -> None:
    content = message.get("content")
    if content is None:
        if message["role"] in ("assistant", "function"):
            return
        raise Bad(
            f"Invalid value for 'content': expected a string, got {'null' if 'content' in message else 'nothing'}.",
            None,
            where,
        )
    _expect(where, content, ("a string", "an array"))
    if isinstance(content, str):
        return
    for at, part in enumerate(content):
        _expect(f"{where}[{at}]", part, ("an object",))
        if not isinstance(part.get("type"), str):
            raise missing(f"{where}[{at}].type")
        if part["type"] == "text":
            _expect(f"{where}[{at}].text", part.get("text"), ("a string",))


def _pairing(where: str, message: dict[str, Any], owed: list[Any]) -> list[Any]:
    """The ids of tool calls that still lack their result after this message."""
    if message["role"] == "tool":
        answered = message.get("tool_call_id")
        if answered is None:
            raise missing(f"{where}.tool_call_id")
        if answered not in owed:
            raise Bad(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                "'tool_calls'.",
                None,
                f"{where}.role",
            )
        return [each for each in owed if each != answered]
    if owed:
        raise _unanswered(owed, int(where[9:-1]) - 1)
    if message["role"] != "assistant" or message.get("tool_calls") is None:
        return []
    calls = message["tool_calls"]
    _expect(f"{where}.tool_calls", calls, ("an array",))
    for at, call in enumerate(calls):
        _expect(f"{where}.tool_calls[{at}]", call, ("an object",))
        _expect(f"{where}.tool_calls[{at}].id", call.get("id"), ("a string",))
    return [call["id"] for call in calls]


def _unanswered(owed: list[Any], at: int) -> Bad:
    return Bad(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(owed)}",
        None,
        f"messages[{at}].role",
    )


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _tools(request: dict[str, Any]) -> tuple[Tool, ...]:
    tools = []
    for at, tool in enumerate(request.get("tools") or ()):
        where = f"tools[{at}]"
        _expect(where, tool, ("an object",))
        if tool.get("type") != "function":
            if tool.get("type") is None:
                raise missing(f"{where}.type")
            continue  # a tool of a kind that is never called here
        function = tool.get("function")
        if function is None:
            raise missing(f"{where}.function")
        _expect(f"{where}.function", function, ("an object",))
        _expect(f"{where}.function.name", function.get("name"), ("a string",))
        if function.get("parameters") is not None:
            _expect(f"{where}.function.parameters", function["parameters"], ("an object",))
        tools.append(Tool(function["name"], function.get("parameters")))
    return tuple(tools)


def _choice(request: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[bool, str | None]:
    """Whether a tool may be called, and which must."""
    choice = request.get("tool_choice")
    if choice is None or choice == "none":
        return choice is None, None
    if not request.get("tools"):
        raise Bad(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            None,
            "tool_choice",
        )
    if isinstance(choice, str):
        if choice not in ("auto", "required"):
            raise Bad(
                f"Invalid value: {choice!r}. Supported values are: 'none', 'auto', and 'required'.",
                "invalid_value",
                "tool_choice",
            )
        return True, tools[0].name if choice == "required" and tools else None
    if choice.get("type") != "function":
        return True, None
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if name not in {tool.name for tool in tools}:
        raise Bad(
            f"Invalid value for 'tool_choice': no tool named {name!r} was specified in the 'tools' parameter.",
            None,
            "tool_choice",
        )
    return True, name


def _format(request: dict[str, Any]) -> tuple[bool, Any]:
    """Whether any JSON is wanted, and the schema where there is one."""
    format_ = request.get("response_format")
    if format_ is None:
        return False, None
    kind = format_.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        raise Bad(
            f"Invalid value: {kind!r}. Supported values are: 'json_object', 'json_schema', and 'text'.",
            "invalid_value",
            "response_format.type",
        )
    if kind != "json_schema":
        return kind == "json_object", None
    named = format_.get("json_schema")
    where = "response_format.json_schema"
    if named is None:
        raise missing(where)
    _expect(where, named, ("an object",))
    if not isinstance(named.get("name"), str):
        raise missing(f"{where}.name")
    if named.get("schema") is None:
        return True, None
    _expect(f"{where}.schema", named["schema"], ("an object",))
    return True, named["schema"]


def _stops(request: dict[str, Any]) -> tuple[str, ...]:
    stop = request.get("stop")
    if stop is None or isinstance(stop, str):
        return () if stop is None else (stop,)
    for at, each in enumerate(stop):
        _expect(f"stop[{at}]", each, ("a string",))
    if len(stop) > 4:
        raise Bad(
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length "
            f"{len(stop)} instead.",
            "array_above_max_length",
            "stop",
        )
    return tuple(stop)
