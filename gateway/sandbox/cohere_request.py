"""A chat request on Cohere's wire (v2) → an `Ask`, or `Bad` in the words that Cohere has for it.

Source: https://docs.cohere.com/v2/reference/chat and /reference/errors. A field that the API does not know is 422 at
every depth that has a table here, as `strict` in a tool was seen to be; null counts as absent. Checked are types,
ranges, the parts that each role may have, that system messages come first and the last message is the user's or a
tool's, and that every tool call has its result after it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from gateway.sandbox.cohere_errors import PAGE
from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "string or array": (str, list),
    "string or object": (str, dict),
}

# by table: the fields that there are, and their types
_REQUEST: Final = {
    "model": "string",
    "messages": "array",
    "stream": "boolean",
    "tools": "array",
    "strict_tools": "boolean",
    "documents": "array",
    "citation_options": "object",
    "response_format": "object",
    "safety_mode": "string",
    "max_tokens": "integer",
    "stop_sequences": "array",
    "temperature": "number",
    "seed": "integer",
    "frequency_penalty": "number",
    "presence_penalty": "number",
    "k": "integer",
    "p": "number",
    "logprobs": "boolean",
    "tool_choice": "string",
    "thinking": "object",
    "priority": "integer",
}
_MESSAGES: Final = {
    "system": {"role": "string", "content": "string or array"},
    "user": {"role": "string", "content": "string or array"},
    "assistant": {
        "role": "string",
        "content": "string or array",
        "tool_calls": "array",
        "tool_plan": "string",
        "citations": "array",
    },
    "tool": {"role": "string", "content": "string or array", "tool_call_id": "string"},
}
_PARTS: Final[dict[str, dict[str, dict[str, str]]]] = {
    "system": {"text": {"text": "string"}},
    "user": {"text": {"text": "string"}, "image_url": {"image_url": "object"}},
    "assistant": {"text": {"text": "string"}, "thinking": {"thinking": "string"}},
    "tool": {"text": {"text": "string"}, "document": {"document": "object"}},
}
_DOCUMENT: Final = {"id": "string", "data": "string or object"}
_TOOL: Final = {"type": "string", "function": "object"}
_FUNCTION: Final = {"name": "string", "description": "string", "parameters": "object"}
_CALL: Final = {"id": "string", "type": "string", "function": "object"}
_CALLED: Final = {"name": "string", "arguments": "string"}

_RANGES: Final = {
    "temperature": (0, 1),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
    "k": (0, 500),
    "p": (0.01, 0.99),
    "priority": (0, 999),
}
_CHOICES: Final = {
    "safety_mode": ("CONTEXTUAL", "STRICT", "OFF"),
    "tool_choice": ("REQUIRED", "NONE"),
}
_IMAGE: Final = re.compile(r"https?://\S+|data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]+=*", re.IGNORECASE)


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises `Bad`."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Bad(f"invalid json syntax: {wrong}") from None
    if not isinstance(request, dict):
        raise Bad(f"invalid json syntax: expected an object, got {_type_of(request)}")
    return request


def model_of(request: dict[str, Any]) -> str:
    """The model's name. Raises `Bad`."""
    model = request.get("model")
    if model is None or model == "":
        raise Bad("a model parameter is required for this endpoint.")
    if not isinstance(model, str):
        raise _wrong("model", model, "string")
    return model


def read_ask(request: dict[str, Any], model: str) -> Ask:
    """What is asked. Raises `Bad`."""
    _fields(request, _REQUEST, "")
    _values(request)
    messages = _messages(request)
    last = messages[-1]
    tools = _tools(request.get("tools") or [])
    schema, wants_json = _format(request)
    choice = request.get("tool_choice")
    if choice == "REQUIRED" and not tools:
        raise _invalid("tool_choice REQUIRED needs at least one tool.")
    documents = _documents(request.get("documents") or [])
    texts = [*documents, *(_text_of(message.get("content")) for message in messages)]
    return Ask(
        said=_text_of(last.get("content")),
        prompt_tokens=sum(len(tokens_of(text)) for text in texts),
        results=tuple(result for _, result in results_of(request)),
        tools=tools,
        forced=tools[0].name if choice == "REQUIRED" else None,
        may_call=choice != "NONE",
        schema=schema,
        wants_json=wants_json,
        most=request.get("max_tokens"),
        stops=tuple(request.get("stop_sequences") or ()),
        seed=request.get("seed") or 0,
        verbatim=name_of(model) == "echo",
    )


def results_of(request: dict[str, Any]) -> list[tuple[str, str]]:
    """The results at the end of the conversation, each with the id of its call."""
    results = []
    for message in reversed(request["messages"]):
        if message["role"] != "tool":
            break
        results.append((message["tool_call_id"], _text_of(message.get("content"))))
    return results[::-1]


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for name in ("boolean", "integer", "number", "string", "array"):
        if isinstance(value, _TYPES[name]):
            return name
    return "object"


def _wrong(path: str, value: Any, wanted: str) -> Bad:
    message = f"invalid type: parameter {path} is of type {_type_of(value)} but should be of type {wanted}. {PAGE}"
    return Bad(message, status=422)


def _invalid(message: str) -> Bad:
    return Bad(f"invalid request: {message}")


def _fields(of: Any, table: dict[str, str], path: str) -> None:
    """An object that has these fields at most. Raises `Bad`."""
    if not isinstance(of, dict):
        raise _wrong(path.rstrip("."), of, "object")
    for name, value in of.items():
        wanted = table.get(name)
        if wanted is None:
            raise Bad(f"unknown field: parameter '{name}' is not a valid field. {PAGE}", status=422)
        if value is None:
            continue
        if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
            raise _wrong(f"{path}{name}", value, wanted)


def _values(request: dict[str, Any]) -> None:
    """The ranges, and what cannot go together."""
    for name, (low, high) in _RANGES.items():
        value = request.get(name)
        if value is not None and not low <= value <= high:
            raise _invalid(f"{name} must be between {low} and {float(high):g} inclusive.")
    for name, choices in _CHOICES.items():
        if request.get(name) not in (None, *choices):
            raise _invalid(f"{name} must be one of {', '.join(choices)}.")
    if request.get("frequency_penalty") and request.get("presence_penalty"):
        raise _invalid("cannot specify both frequency_penalty and presence_penalty.")
    most = request.get("max_tokens")
    if most is not None and most < 1:
        raise _invalid("max_tokens must be at least 1.")
    stops = request.get("stop_sequences") or []
    for at, stop in enumerate(stops):
        if not isinstance(stop, str):
            raise _wrong(f"stop_sequences[{at}]", stop, "string")
    if len(stops) > 5:
        raise _invalid(f"stop_sequences must have at most 5 elements - received {len(stops)}.")
    thinking = request.get("thinking")
    if thinking is not None:
        _fields(thinking, {"type": "string", "token_budget": "integer"}, "thinking.")
        if thinking.get("type") not in ("enabled", "disabled"):
            raise _invalid("thinking.type must be one of enabled, disabled.")
        budget = thinking.get("token_budget")
        if budget is not None and budget < 1:
            raise _invalid("thinking.token_budget must be a positive integer.")
    if request.get("citation_options") is not None:
        _fields(request["citation_options"], {"mode": "string"}, "citation_options.")


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] | None = request.get("messages")
    if not messages:
        raise _invalid("messages must not be empty.")
    owed: list[str] = []
    before = "system"
    for at, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        table = _MESSAGES.get(role) if isinstance(role, str) else None
        if not isinstance(message, dict):
            raise _wrong(f"messages[{at}]", message, "object")
        if table is None or role is None:
            roles = ", ".join(_MESSAGES)
            raise _invalid(f"Invalid role in messages at index {at}. Role must be one of the following: {roles}")
        _fields(message, table, f"messages[{at}].")
        if role == "system" and before != "system":
            raise Bad("system turn must be the first in the list")
        before = role
        if role == "tool":
            owed = _answered(message, owed)
        elif owed:
            raise _invalid(f"tool calls must be followed by their results: {', '.join(owed)}")
        calls = message.get("tool_calls") if role == "assistant" else None
        if calls:
            owed = _calls(calls, at)
        _content(message, at, bool(calls))
    if owed:
        raise _invalid(f"tool calls must be followed by their results: {', '.join(owed)}")
    if before not in ("user", "tool"):
        raise _invalid("the last message must be from the user or a tool.")
    return messages


def _answered(message: dict[str, Any], owed: list[str]) -> list[str]:
    answered = message.get("tool_call_id")
    if not answered:
        raise Bad("tool call id must be provided with tool message")
    if answered not in owed:
        raise Bad("tool call id not found in previous tool calls")
    return [each for each in owed if each != answered]


def _calls(calls: list[Any], at: int) -> list[str]:
    """The ids of an assistant's calls."""
    ids: list[str] = []
    for number, call in enumerate(calls):
        path = f"messages[{at}].tool_calls[{number}]."
        _fields(call, _CALL, path)
        if call.get("type") != "function":
            raise Bad("tool call must be of type function")
        if not call.get("id"):
            raise _invalid(f"{path}id is required.")
        if call["id"] in ids:
            raise Bad("cannot have duplicate tool ids")
        function = call.get("function")
        _fields(function, _CALLED, f"{path}function.")
        if not function.get("name") or function.get("arguments") is None:
            raise _invalid(f"{path}function must have a name and arguments.")
        try:
            arguments = msgspec.json.decode(function["arguments"])
        except msgspec.DecodeError:
            arguments = None
        if not isinstance(arguments, dict):
            raise _invalid(f"{path}function.arguments must be the JSON of an object.")
        ids.append(call["id"])
    return ids


def _content(message: dict[str, Any], at: int, calls: bool) -> None:
    content, role = message.get("content"), message["role"]
    if isinstance(content, list):
        for number, part in enumerate(content):
            path = f"messages[{at}].content[{number}]."
            kind = part.get("type") if isinstance(part, dict) else None
            table = _PARTS[role].get(kind) if isinstance(kind, str) else None
            if isinstance(part, dict) and table is None:
                kinds = ", ".join(_PARTS[role])
                raise _invalid(f"the content type of a message of role {role} must be one of {kinds}.")
            _fields(part, {"type": "string", **(table or {})}, path)
            for field in table or ():
                if part.get(field) is None:
                    raise _invalid(f"{path}{field} is required.")
            if kind == "image_url":
                _image(part["image_url"], f"{path}image_url.")
            if kind == "document":
                _document(part["document"], f"{path}document.")
    if not content and not calls:
        raise Bad("message must not be empty in a turn")


def _image(image: dict[str, Any], path: str) -> None:
    _fields(image, {"url": "string", "detail": "string"}, path)
    if not _IMAGE.fullmatch(image.get("url") or ""):
        raise _invalid(f"{path}url must be a web URL or the data URI of an image.")
    if image.get("detail") not in (None, "auto", "low", "high"):
        raise _invalid(f"{path}detail must be one of auto, low, high.")


def _document(document: Any, path: str) -> str:
    _fields(document, _DOCUMENT, path)
    if not document.get("data"):
        raise _invalid(f"{path}data must not be empty.")
    return _text_of_document(document)


def _documents(documents: list[Any]) -> list[str]:
    texts = []
    for at, document in enumerate(documents):
        texts.append(document if isinstance(document, str) else _document(document, f"documents[{at}]."))
    return texts


def _text_of_document(document: dict[str, Any]) -> str:
    data = document["data"]
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else []:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "document":
            texts.append(_text_of_document(part["document"]))
    return "\n".join(texts)


def _tools(tools: list[Any]) -> tuple[Tool, ...]:
    found = []
    for at, tool in enumerate(tools):
        path = f"tools[{at}]."
        _fields(tool, _TOOL, path)
        if tool.get("type") != "function":
            raise Bad("tool must be of type function")
        function = tool.get("function")
        _fields(function, _FUNCTION, f"{path}function.")
        name = function.get("name") or ""
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise _invalid(
                "tool names can only contain certain characters (A-Za-z0-9_) and can't begin with a digit "
                f"(provided name: '{name}')."
            )
        if function.get("parameters") is None:
            raise _invalid(f"{path}function.parameters is required.")
        _schema(function["parameters"])
        found.append(Tool(name, function["parameters"]))
    return tuple(found)


def _schema(schema: dict[str, Any]) -> None:
    if schema.get("type") != "object":
        raise Bad("schema must be an object")
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    if isinstance(required, list) and any(not isinstance(name, str) or name not in known for name in required):
        raise Bad("required field name not found in properties")


def _format(request: dict[str, Any]) -> tuple[Any, bool]:
    """The schema where there is one, and whether any JSON is wanted."""
    format_ = request.get("response_format")
    if format_ is None:
        return None, False
    _fields(format_, {"type": "string", "json_schema": "object"}, "response_format.")
    if format_.get("type") not in ("text", "json_object"):
        raise _invalid("response_format.type must be one of text, json_object.")
    if format_["type"] == "text":
        if format_.get("json_schema") is not None:
            raise _invalid("response_format.json_schema needs the type json_object.")
        return None, False
    for name, called in (("documents", "RAG"), ("tools", "tools")):
        if request.get(name):
            raise _invalid(f"response_format is not supported with {called}.")
    schema = format_.get("json_schema")
    if schema is not None:
        _schema(schema)
    return schema, True
