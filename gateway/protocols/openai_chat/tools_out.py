"""Tools of chat requests, which of them is to be called, and the form of the answer, IR → wire.

Quirks: `custom_tools`: tools of free text are known (https://platform.openai.com/docs/guides/function-calling#custom-tools),
elsewhere they are functions with one string; `allowed_tools`: a choice may be narrowed to some tools, elsewhere only
these are sent; `any`: the choice of any tool has this name; `no_strict`: functions have no such field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.ir.chat import Cache, Extras, Format, HostedTool, Request, Tool, ToolChoice
from gateway.protocols import custom_tools, tool_ids
from gateway.protocols.contract import Dialect
from gateway.protocols.losses import Losses
from gateway.protocols.openai_chat.request_in import ORIGIN


class Tools:
    """Writes tools. `marks` says whether a cache mark may be written."""

    def __init__(
        self, request: Request, dialect: Dialect, losses: Losses, marks: Callable[[Cache | None], bool]
    ) -> None:
        self.request = request
        self.quirks = dialect.quirks
        self.losses = losses
        self.same = request.origin == ORIGIN
        self._marks = marks
        choice = request.tool_choice
        self._narrowed = frozenset(choice.allowed) if choice is not None and not self._knows("allowed_tools") else None
        self._custom = frozenset(custom_tools.names(request)) if self._knows("custom_tools") else frozenset()

    def _knows(self, quirk: str) -> bool:
        return self.same or quirk in self.quirks

    def knows_custom(self) -> bool:
        """Whether calls of free text are written as such."""
        return self._knows("custom_tools")

    def put(self, body: dict[str, Any]) -> None:
        """The tools and what goes with them; a choice among no tools would be refused."""
        tools = [tool for each in self.request.tools if (tool := self._tool(each)) is not None]
        if tools:
            body["tools"] = tools
        choice = self.request.tool_choice
        if choice is not None and choice.raw is not None and not self.same:
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
        elif choice is not None and (tools or self.same):
            body["tool_choice"] = self._choice(choice)

    def _tool(self, tool: Tool | HostedTool) -> dict[str, Any] | None:
        if isinstance(tool, HostedTool):
            if self.same:
                return dict(tool.raw)
            self.losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
            return None
        if self._narrowed and tool.name not in self._narrowed:
            return None
        if tool.name in self._custom:
            inner: dict[str, Any] = {"name": tool.name}
            if tool.description is not None:
                inner["description"] = tool.description
            if tool.grammar is not None:
                inner["format"] = _grammar(tool.grammar)
            return {"type": "custom", "custom": inner, **((tool.extras or {}) if self.same else {})}
        inner = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        schema = custom_tools.SCHEMA if tool.custom else tool.schema
        if description is not None:
            inner["description"] = description
        if schema is not None:
            inner["parameters"] = schema
        elif not self.same:
            inner["parameters"] = {"type": "object", "properties": {}}
        if tool.strict is not None and "no_strict" not in self.quirks:
            inner["strict"] = tool.strict
        out: dict[str, Any] = {"type": "function", "function": inner}
        if tool.cache is not None and self._marks(tool.cache):
            out["cache_control"] = mark(tool.cache)
        if self.same:
            out.update(tool.extras or {})
        else:
            self.losses.extras(tool.extras)
        return out

    def _choice(self, choice: ToolChoice) -> Any:
        if choice.raw is not None:
            return choice.raw
        if choice.mode == "tool":
            return self._named(choice.name)
        if choice.allowed and self._knows("allowed_tools"):
            tools = [self._named(name) for name in choice.allowed]
            return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
        return {"required": "any"}.get(choice.mode, choice.mode) if "any" in self.quirks else choice.mode

    def _named(self, name: str | None) -> dict[str, Any]:
        kind = "custom" if name in self._custom else "function"
        return {"type": kind, kind: {"name": name}}


def _grammar(grammar: Any) -> Any:
    """The form of a custom tool's input; the responses wire does not nest it."""
    if not isinstance(grammar, dict) or grammar.get("type") != "grammar" or "grammar" in grammar:
        return grammar
    return {"type": "grammar", "grammar": {name: value for name, value in grammar.items() if name != "type"}}


def mark(cache: Cache) -> dict[str, Any]:
    """A cache mark."""
    return {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}


def format_out(format_: Format, own: Extras) -> dict[str, Any]:
    """`response_format`. `own` are the fields of a client of this wire."""
    if format_.kind != "json_schema":
        return {"type": format_.kind, **own}
    inner: dict[str, Any] = {"name": tool_ids.fit(format_.name or "answer")}
    if format_.description is not None:
        inner["description"] = format_.description
    inner["schema"] = format_.schema
    if format_.strict is not None:
        inner["strict"] = format_.strict
    return {"type": "json_schema", "json_schema": {**inner, **own}}
