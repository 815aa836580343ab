"""Tools, tool choice and the answer's format, wire → IR."""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Format, HostedTool, Tool, ToolChoice
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.client_tools import ITEM, flat
from gateway.protocols.reading import Fields, Malformed


def tools_of(values: list[Any], at: str) -> list[Tool | HostedTool]:
    """The tools of an array; those of a namespace each stand for themselves. Raises `Malformed`."""
    out: list[Tool | HostedTool] = []
    for index, value in enumerate(values):
        here = f"{at}[{index}]"
        fields = Fields(value, here)
        fields.some(ITEM)  # the gateway's own word
        kind = fields.text("type") or "function"
        if kind == "namespace":
            out.extend(_namespace(fields, here))
        else:
            out.append(_tool(fields, kind, value))
    return out


def _tool(fields: Fields, kind: str, value: Any) -> Tool | HostedTool:
    if kind in ("function", "custom"):
        return _function(fields, kind)
    if kind == client_tools.LOCAL_SHELL:
        return Tool(
            name=kind,
            description=client_tools.SHELL_WORDS,
            schema=client_tools.SHELL_SCHEMA,
            extras={ITEM: dict(value)},
        )
    if kind == client_tools.TOOL_SEARCH and fields.left.get("execution") == "client":
        description, schema = fields.text("description"), fields.some("parameters")
        return Tool(name=kind, description=description, schema=schema, extras={ITEM: dict(value)})
    return HostedTool(kind, value)


def _function(fields: Fields, kind: str) -> Tool:
    if isinstance(fields.left.get("function"), dict) and "name" not in fields.left:  # the chat wire's form
        fields = Fields(fields.left["function"], fields.path("function"))
    fields.some(ITEM)
    name = fields.needed("name")
    description = fields.text("description")
    if kind == "custom":
        grammar = fields.some("format")
        return Tool(name=name, description=description, custom=True, grammar=grammar, extras=fields.extras())
    return Tool(
        name=name,
        description=description,
        schema=fields.some("parameters"),
        strict=fields.flag("strict"),
        extras=fields.extras(),
    )


def _namespace(fields: Fields, at: str) -> list[Tool]:
    """The tools of a namespace. What it says of itself is kept beside its first tool."""
    namespace = fields.needed("name")
    out: list[Tool] = []
    for index, value in enumerate(fields.items("tools")):
        inner = Fields(value, f"{at}.tools[{index}]")
        kind = inner.text("type") or "function"
        if kind not in ("function", "custom"):
            raise Malformed(inner.path("type"), "must be 'function' or 'custom'")
        tool = _function(inner, kind)
        mark: dict[str, Any] = {"namespace": namespace, "name": tool.name}
        if not out:
            mark["of"] = fields.left
        out.append(
            Tool(
                name=flat(namespace, tool.name),
                description=tool.description,
                schema=tool.schema,
                strict=tool.strict,
                custom=tool.custom,
                grammar=tool.grammar,
                extras={**(tool.extras or {}), ITEM: mark},
            )
        )
    return out


def choice_of(value: Any) -> ToolChoice | None:
    """`tool_choice`: a word, a tool, some tools, or a kind of its own. Raises `Malformed`."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise Malformed("tool_choice", "must be 'none', 'auto', 'required' or an object that names a tool")
        return ToolChoice(mode=value)  # type: ignore[arg-type]  # narrowed by the line above
    fields = Fields(value, "tool_choice")
    kind = fields.text("type") or "function"
    if kind in ("function", "custom"):
        named = fields.inner("function") if "function" in fields.left else fields
        name = (named or fields).needed("name")
        namespace = fields.text("namespace")
        return ToolChoice(mode="tool", name=flat(namespace or "", name))
    if kind == "allowed_tools":
        return _allowed(fields, value)
    if kind == client_tools.LOCAL_SHELL:
        return ToolChoice(mode="tool", name=kind)
    return ToolChoice(mode="auto", raw=value)


def _allowed(fields: Fields, value: Any) -> ToolChoice:
    names: list[str] = []
    raw: Any = None
    for index, each in enumerate(fields.items("tools")):
        tool = Fields(each, f"tool_choice.tools[{index}]")
        name = tool.text("name")
        if name is None or tool.left.get("type") not in ("function", "custom", None):
            raw = value
        else:
            names.append(flat(tool.text("namespace") or "", name))
    mode = fields.text("mode")
    return ToolChoice(mode="required" if mode == "required" else "auto", allowed=tuple(names), raw=raw)


def format_of(fields: Fields | None) -> Format | None:
    """`text.format`. Raises `Malformed`."""
    if fields is None:
        return None
    kind = fields.needed("type")
    if kind in ("text", "json_object"):
        return Format(kind=kind, extras=fields.extras())  # type: ignore[arg-type]  # narrowed by the line above
    if kind != "json_schema":
        raise Malformed(fields.path("type"), "must be 'text', 'json_object' or 'json_schema'")
    inner = fields.inner("json_schema") or fields
    return Format(
        kind="json_schema",
        schema=inner.some("schema"),
        name=inner.text("name"),
        description=inner.text("description"),
        strict=inner.flag("strict"),
        extras=inner.extras(),
    )
