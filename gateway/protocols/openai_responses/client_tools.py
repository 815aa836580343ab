"""Tools that the client runs and that other wires have only as functions, and the way back.

Beside functions, clients of this wire (Codex) send tools in namespaces, `local_shell`, and a `tool_search` that they
run themselves (https://platform.openai.com/docs/guides/tools-local-shell, /docs/guides/tools-tool-search). In the IR
all of them are functions. Whatever this wire says of them in another form stands in `extras["item"]`, the field that
means: nothing of it is lost elsewhere. For a namespaced tool that is its namespace, for the others the tool itself.

A namespaced name becomes `namespace__name`; names in `functions`, the namespace of plain functions, stay as they are,
and so do tools that a search of the provider's puts into a namespace of their own name.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import Request, Tool
from gateway.protocols import custom_tools, tool_ids
from gateway.protocols.reading import compact

ITEM: Final = "item"
LOCAL_SHELL: Final = "local_shell"
TOOL_SEARCH: Final = "tool_search"
SHELL_WORDS: Final = "Runs a command on the user's machine and returns its output."
SHELL_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}, "description": "The command and its arguments."},
        "working_directory": {"type": "string", "description": "Where to run it."},
        "timeout_ms": {"type": "integer", "description": "Milliseconds after which it is stopped."},
    },
    "required": ["command"],
}
_ANY: Final = msgspec.json.Decoder()


def flat(namespace: str, name: str) -> str:
    """The one name of a tool in a namespace, as other wires take it."""
    return name if namespace in ("", "functions", name) else tool_ids.fit(f"{namespace}__{name}")


def mark_of(extras: dict[str, Any] | None) -> dict[str, Any]:
    """What this wire says in another form of a tool, a call or a result."""
    mark = extras.get(ITEM) if extras else None
    return mark if isinstance(mark, dict) else {}


def shaped(request: Request) -> dict[str, Tool]:
    """The tools of a request whose calls are no plain function calls, by the name that the model knows."""
    if not request.tools:
        return {}
    return {
        tool.name: tool for tool in request.tools if isinstance(tool, Tool) and (tool.custom or mark_of(tool.extras))
    }


def object_of(arguments: str) -> dict[str, Any]:
    """Arguments as an object, empty where they are none."""
    try:
        value = _ANY.decode(arguments)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def kind_of(tool: Tool | None, custom: bool) -> str:
    """The type of the item that a call of this tool is."""
    kind = mark_of(tool.extras).get("type") if tool is not None else None
    if kind in (LOCAL_SHELL, TOOL_SEARCH):
        return f"{kind}_call"
    return "custom_tool_call" if custom or (tool is not None and tool.custom) else "function_call"


def call_item(
    tool: Tool | None, *, item: str, call: str, name: str, arguments: str, custom: bool, status: str
) -> dict[str, Any]:
    """A call as an output item. `item` is the item's id, `call` the call's; `tool` as `shaped` gives it."""
    kind = kind_of(tool, custom)
    out: dict[str, Any] = {"id": item, "type": kind, "status": status, "call_id": call}
    done = status != "in_progress"
    if kind == "local_shell_call":
        out["action"] = action_of(object_of(arguments))
        return out
    if kind == "tool_search_call":
        out["execution"] = "client"
        out["arguments"] = object_of(arguments)
        return out
    mark = mark_of(tool.extras) if tool is not None else {}
    out["name"] = mark.get("name", name)
    if "namespace" in mark:
        out["namespace"] = mark["namespace"]
    if kind == "function_call":
        out["arguments"] = arguments
    else:
        out["input"] = arguments if custom or not done else custom_tools.from_json(arguments)
    return out


def action_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """The action of a `local_shell_call`."""
    command = arguments.get("command")
    if isinstance(command, str):
        command = ["bash", "-lc", command]
    out: dict[str, Any] = {"type": "exec", "command": [], "env": {}}
    if isinstance(command, list):
        out["command"] = [each if isinstance(each, str) else compact(each) for each in command]
    for name in ("env", "working_directory", "timeout_ms", "user"):
        if arguments.get(name) is not None:
            out[name] = arguments[name]
    return out


def arguments_of(action: Any) -> str:
    """The arguments of the function that a `local_shell_call`'s action stands for."""
    fields = action if isinstance(action, dict) else {}
    return compact({name: value for name, value in fields.items() if name != "type" and value not in (None, {})})
