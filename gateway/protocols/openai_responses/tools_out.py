"""Tools, tool choice and the answer's format, IR → wire.

`strict` is always said to an upstream: this wire makes schemas strict where nobody says otherwise
(https://platform.openai.com/docs/guides/migrate-to-responses, "Functions in the Responses API are strict by default").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gateway.ir.chat import Format, HostedTool, Request, Tool, ToolChoice
from gateway.protocols import tool_ids
from gateway.protocols.losses import Losses
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.client_tools import ITEM

_NOTHING: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def tools_of(tools: Iterable[Tool | HostedTool], losses: Losses, *, same: bool) -> list[dict[str, Any]]:
    """The `tools` array; on the client's own wire namespaces stand together again."""
    out: list[dict[str, Any]] = []
    open_: dict[str, Any] | None = None
    for tool in tools:
        if isinstance(tool, HostedTool):
            if same:
                out.append(dict(tool.raw))
            else:
                losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
            continue
        mark = client_tools.mark_of(tool.extras) if same else {}
        if "elsewhere" in mark:
            continue
        namespace = mark.get("namespace") if "type" not in mark else None
        if namespace is None:
            out.append(dict(mark) if "type" in mark else _tool(tool, losses, same=same))
            continue
        if open_ is None or open_["name"] != namespace or "of" in mark:
            open_ = {"type": "namespace", "name": namespace, **(mark.get("of") or {}), "tools": []}
            out.append(open_)
        open_["tools"].append({**_tool(tool, losses, same=True), "name": mark["name"]})
    return out


def _tool(tool: Tool, losses: Losses, *, same: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    if tool.custom:
        if tool.grammar is not None:
            out["format"] = _grammar(tool.grammar)
    else:
        out["parameters"] = tool.schema if same or tool.schema is not None else _NOTHING
        if tool.strict is not None or not same:
            out["strict"] = tool.strict or False
    if tool.cache is not None and not same:
        losses.drop("cache_control", "prompts are cached here without marks")
    if same:
        for name, value in (tool.extras or {}).items():
            if name != ITEM:
                out.setdefault(name, value)
    else:
        losses.extras(tool.extras)
    return out


def _grammar(grammar: Any) -> Any:
    """The form of a custom tool's input; the chat wire nests it."""
    inner = grammar.get("grammar") if isinstance(grammar, dict) else None
    return {"type": "grammar", **inner} if isinstance(inner, dict) else grammar


def choice_of(choice: ToolChoice, request: Request, losses: Losses, *, same: bool) -> Any:
    """`tool_choice`, None where there is nothing to say."""
    if choice.raw is not None:
        if same:
            return choice.raw
        losses.drop("tool_choice", "only the client's own wire knows this choice")
        return None
    if not request.tools and not same:
        return None
    tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    if choice.mode == "tool":
        return _named(choice.name or "", tools, same=same)
    if choice.allowed:
        named = [_named(name, tools, same=same) for name in choice.allowed]
        return {"type": "allowed_tools", "mode": choice.mode, "tools": named}
    return choice.mode


def _named(name: str, tools: dict[str, Tool], *, same: bool) -> dict[str, Any]:
    tool = tools.get(name)
    mark = client_tools.mark_of(tool.extras) if same and tool is not None else {}
    if mark.get("type") == client_tools.LOCAL_SHELL:
        return {"type": client_tools.LOCAL_SHELL}
    out = {"type": "custom" if tool is not None and tool.custom else "function", "name": mark.get("name", name)}
    if "namespace" in mark:
        out["namespace"] = mark["namespace"]
    return out


def format_of(format_: Format, losses: Losses, *, same: bool) -> dict[str, Any]:
    """`text.format`. A schema has a name here, and is strict only where that was asked for."""
    if format_.kind != "json_schema":
        return {"type": format_.kind, **((format_.extras or {}) if same else {})}
    if not same:
        losses.extras(format_.extras, "response_format.")
    out: dict[str, Any] = {"type": "json_schema", "name": tool_ids.fit(format_.name or "answer")}
    if format_.description is not None:
        out["description"] = format_.description
    out["schema"] = format_.schema
    if format_.strict is not None or not same:
        out["strict"] = format_.strict or False
    return {**out, **((format_.extras or {}) if same else {})}
