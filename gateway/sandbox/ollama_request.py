"""A chat request on Ollama's wire → an `Ask`, or `Bad` in the words that Ollama has for it.

Source: docs/api.md, api/types.go and server/routes.go of https://github.com/ollama/ollama. As there, JSON of the wrong
type is refused in the words of Go's decoder, null counts as absent, and a field that Ollama does not know is passed
over; that is so for `options` too. The sandbox is stricter in three things that Ollama lets pass and that no caller
means: a role that no template knows, a tool without a name, and a tool's result that answers no call.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of

_ROLES: Final = ("system", "user", "assistant", "tool")
_LEVELS: Final = ("high", "medium", "low")
_DURATION: Final = re.compile(r"[+-]?(?:0|(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+")
_LATEST: Final = re.compile(r":latest(?=[:+]|\Z)")
_INT: Final = "int"
_MOST: Final = 1 << 62
_GO: Final[dict[str, tuple[type, ...]]] = {
    "bool": (bool,),
    _INT: (int,),
    "string": (str,),
    "[]api.Message": (list,),
    "api.Message": (dict,),
    "api.Tools": (list,),
    "api.Tool": (dict,),
    "api.ToolFunction": (dict,),
    "api.ToolFunctionParameters": (dict,),
    "[]api.ToolCall": (list,),
    "api.ToolCall": (dict,),
    "api.ToolCallFunction": (dict,),
    "api.ToolCallFunctionArguments": (dict,),
    "[]api.ImageData": (list,),
    "api.ImageData": (str,),
    "map[string]interface {}": (dict,),
}  # fmt: skip
_FIELDS: Final = {
    "messages": "[]api.Message",
    "stream": "bool",
    "tools": "api.Tools",
    "options": "map[string]interface {}",
    "truncate": "bool",
    "shift": "bool",
    "logprobs": "bool",
    "top_logprobs": _INT,
}
_OPTIONS: Final = {
    "integer": (
        "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu",
        "num_thread",
    ),
    "float32": (
        "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty",
    ),
    "boolean": ("use_mmap",),
    "array": ("stop",),
}  # fmt: skip


def read_json(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises `Bad`."""
    if not body.strip():
        raise Bad("missing request body")
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Bad(f"invalid character in the body: {wrong}") from None
    if not isinstance(request, dict):
        raise Bad(f"json: cannot unmarshal {_kind(request)} into Go value of type api.ChatRequest")
    return request


def model_of(request: dict[str, Any]) -> str:
    """The model's name. Raises `Bad`."""
    model: str = _of(request, "model", "string", "ChatRequest") or ""
    if not model:
        raise Bad("model is required")
    return model


def untagged(model: str) -> str:
    """A model's name without the tag `latest`, which says nothing and is no word."""
    return _LATEST.sub("", model)


def read_ask(request: dict[str, Any], model: str) -> Ask:
    """What is asked. Raises `Bad`."""
    for field, kind in _FIELDS.items():
        _of(request, field, kind, "ChatRequest")
    if not 0 <= (request.get("top_logprobs") or 0) <= 20:
        raise Bad("top_logprobs must be between 0 and 20")
    duration(request.get("keep_alive"))
    _think(request.get("think"))
    messages = _messages(request)
    tools = _tools(request.get("tools") or [])
    options = _options(request.get("options") or {})
    schema, wants_json = _format(request.get("format"))
    most = options.get("num_predict")
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.append(message.get("content") or "")
    return Ask(
        said=(messages[-1].get("content") or "") if messages else "",
        prompt_tokens=sum(len(tokens_of(message.get("content") or "")) for message in messages),
        results=tuple(reversed(results)),
        tools=tools,
        schema=schema,
        wants_json=wants_json,
        most=int(most) if most is not None and 0 < most < _MOST else None,
        stops=tuple(options.get("stop") or ()),
        seed=int(max(-_MOST, min(options.get("seed") or 0, _MOST))),
        verbatim=name_of(model) == "echo",
    )


def duration(value: Any) -> float | None:
    """The seconds of `keep_alive`; any number that is not 0 will do for a text. Raises `Bad`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Bad("Unsupported type: 'bool'" if isinstance(value, bool) else f"Unsupported type: '{_kind(value)}'")
    if isinstance(value, int | float):
        return float(value)
    if not _DURATION.fullmatch(value):
        raise Bad(f'time: invalid duration "{value}"')
    return 1.0 if re.search("[1-9]", value) else 0.0


def _kind(value: Any) -> str:
    """What Go's decoder calls a JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "array" if isinstance(value, list) else "object"


def _of(of: dict[str, Any], field: str, kind: str, path: str) -> Any:
    """A field, which is of this Go type, or None. Raises `Bad`."""
    value = of.get(field)
    if value is not None:
        _expect(value, kind, f"{path}.{field}")
    return value


def _expect(value: Any, kind: str, path: str) -> None:
    if isinstance(value, _GO[kind]) and (kind == "bool" or not isinstance(value, bool)):
        return
    named = f"number {value}" if kind == _INT and isinstance(value, float) else _kind(value)
    raise Bad(f"json: cannot unmarshal {named} into Go struct field {path} of type {kind}")


def _think(value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str) and value not in _LEVELS:
        raise Bad(f'invalid think value: "{value}" (must be "high", "medium", "low", true, or false)')
    if not isinstance(value, str):
        raise Bad('think must be a boolean or string ("high", "medium", "low", true, or false)')


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = request.get("messages") or []
    path = "ChatRequest.messages"
    called: list[dict[str, Any]] = []
    for message in messages:
        _expect(message, "api.Message", path)
        for field in ("role", "content", "thinking", "tool_name", "tool_call_id"):
            _of(message, field, "string", path)
        role = (message.get("role") or "").lower()
        if role not in _ROLES:
            raise Bad(f'invalid role: "{role}" (must be "system", "user", "assistant" or "tool")')
        message["role"] = role
        _images(_of(message, "images", "[]api.ImageData", path) or [], path)
        calls = _calls(_of(message, "tool_calls", "[]api.ToolCall", path) or [], f"{path}.tool_calls")
        if role == "tool":
            _answers(message, called)
        else:
            called = calls if role == "assistant" else []
    return messages


def _images(images: list[Any], path: str) -> None:
    for image in images:
        _expect(image, "api.ImageData", f"{path}.images")
        try:
            b64decode(image, validate=True)
        except (binascii.Error, ValueError):
            at = re.search(r"[^A-Za-z0-9+/]", image)
            raise Bad(f"illegal base64 data at input byte {len(image) if at is None else at.start()}") from None


def _calls(calls: list[Any], path: str) -> list[dict[str, Any]]:
    for call in calls:
        _expect(call, "api.ToolCall", path)
        _of(call, "id", "string", path)
        function = _of(call, "function", "api.ToolCallFunction", path) or {}
        _of(function, "index", _INT, f"{path}.function")
        if not _of(function, "name", "string", f"{path}.function"):
            raise Bad("a tool call must have a function name")
        _of(function, "arguments", "api.ToolCallFunctionArguments", f"{path}.function")
    return calls


def _answers(message: dict[str, Any], called: list[dict[str, Any]]) -> None:
    """A tool's result belongs to a call of the assistant's message before it, by its id or its name if it has one."""
    if not called:
        raise Bad('a message with the role "tool" must follow an assistant\'s message with "tool_calls"')
    known = [call.get("id") for call in called]
    if message.get("tool_call_id") and any(known) and message["tool_call_id"] not in known:
        raise Bad(f'no tool call has the id "{message["tool_call_id"]}"')
    if message.get("tool_name") and message["tool_name"] not in [call["function"]["name"] for call in called]:
        raise Bad(f'no tool call has the name "{message["tool_name"]}"')


def _tools(tools: list[Any]) -> tuple[Tool, ...]:
    found = []
    path = "ChatRequest.tools"
    for tool in tools:
        _expect(tool, "api.Tool", path)
        _of(tool, "type", "string", path)
        function = _of(tool, "function", "api.ToolFunction", path) or {}
        name = _of(function, "name", "string", f"{path}.function")
        if not name:
            raise Bad("a tool must have a function name")
        _of(function, "description", "string", f"{path}.function")
        parameters = _of(function, "parameters", "api.ToolFunctionParameters", f"{path}.function")
        for field, kind in (("type", "string"), ("properties", "map[string]interface {}")):
            _of(parameters or {}, field, kind, f"{path}.function.parameters")
        found.append(Tool(name, parameters))
    return tuple(found)


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """The options. One of the wrong type is 500, as there: it is found when the model is loaded."""
    for kind, names in _OPTIONS.items():
        for name in names:
            value = options.get(name)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            good = {"boolean": isinstance(value, bool), "array": isinstance(value, list)}.get(kind, number)
            if not good:
                raise Bad(f'option "{name}" must be of type {kind}', status=500)
    if not all(isinstance(stop, str) for stop in options.get("stop") or ()):
        raise Bad('option "stop" must be of an array of strings', status=500)
    return options


def _format(value: Any) -> tuple[Any, bool]:
    """The schema where there is one, and whether any JSON is wanted. What is neither is 500, as there."""
    if value is None or value == "":
        return None, False
    if value == "json":
        return None, True
    if not isinstance(value, dict):
        shown = msgspec.json.encode(msgspec.json.encode(value).decode()).decode()
        raise Bad(f'invalid format: {shown}; expected "json" or a valid JSON Schema object', status=500)
    return value, True
