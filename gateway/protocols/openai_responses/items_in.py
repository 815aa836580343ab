"""Input items, wire → messages: https://platform.openai.com/docs/api-reference/responses/create (`input`).

What the model said in one turn are several items here and one message in the IR: thoughts, text and calls that follow
one another are joined, until a result or another's words come. A second text begins a new message unless calls stand
between, which must stay together.

A signature that another family put on a text or a call travels as a reasoning item without a summary, whose wrapped
seal says in its id what it belongs to: `call:` and the call's id before the call, `text` after the text.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.ir.chat import (
    Extras,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Role,
    Seal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.protocols import media, tool_ids
from gateway.protocols.openai_chat.request_in import arguments_of
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.client_tools import ITEM, flat
from gateway.protocols.openai_responses.content import PART, parts_of
from gateway.protocols.openai_responses.tools_in import tools_of
from gateway.protocols.reading import Fields, Malformed, compact
from gateway.protocols.seals import CALL, OPENAI, is_of_call, unwrap

OF_TEXT: Final = "text"
REDACTED: Final = "redacted"
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
}


_PLAIN: Final = frozenset(("type", "role", "content"))


def _says_text(value: Any) -> bool:
    """Whether an item is a message of a user or the system that is a plain text and nothing else, as most are."""
    return (
        isinstance(value, dict)
        and value.keys() <= _PLAIN
        and isinstance(value.get("content"), str)
        and value.get("role") in ("user", "system", "developer")
        and value.get("type", "message") == "message"
    )


class Items:
    """Reads items one after another. `messages` and `tools` (those that items bring along) are what was read."""

    __slots__ = ("_seals", "_turn", "messages", "tools")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tools: list[Tool | HostedTool] = []
        self._turn: list[Part] = []  # of the model, still open
        self._seals: dict[str, Seal] = {}  # of calls that are still to come

    def read(self, value: Any, at: str) -> None:
        """One item. Raises `Malformed`."""
        if _says_text(value):
            self.close()
            self.messages.append(Message(_ROLES[value["role"]], (Text(value["content"]),)))
            return
        fields = Fields(value, at)
        fields.some(ITEM)  # the gateway's own word: what a client says there would pass unread
        kind = fields.text("type") or ("message" if "role" in fields.left else "item_reference")
        match kind:
            case "message":
                self._message(fields, at)
            case "reasoning":
                self._thought(thought_of(fields, at))
            case "function_call" | "custom_tool_call" | "local_shell_call":
                self._turn.append(self._sealed(call_of(fields, kind, at)))
            case "tool_search_call" if fields.left.get("execution") == "client":
                self._turn.append(self._sealed(call_of(fields, kind, at)))
            case "function_call_output" | "custom_tool_call_output" | "local_shell_call_output":
                self._result(_result_of(fields, kind, at))
            case "tool_search_output" if fields.left.get("execution") == "client":
                self._found(fields, value, at)
            case "additional_tools":
                self.close()
                self._bring(fields.items("tools"), f"{at}.tools")
                self.messages.append(Message("developer", (), None, {ITEM: value}))
            case _:
                self._turn.append(Opaque(kind, value))

    def close(self) -> None:
        """The model's turn is over."""
        if self._turn:
            self.messages.append(Message("assistant", tuple(self._turn)))
            self._turn = []

    def _message(self, fields: Fields, at: str) -> None:
        word = fields.needed("role")
        role = _ROLES.get(word)
        if role is None:
            raise Malformed(f"{at}.role", f"must be one of {', '.join(_ROLES)}, not {word!r}")
        content = fields.some("content")
        if role != "assistant":
            self.close()
            self.messages.append(Message(role, parts_of(content, f"{at}.content"), None, fields.extras()))
            return
        parts = list(parts_of(content, f"{at}.content", prefix=PART))
        extras = fields.extras()
        if parts and extras and isinstance(parts[0], Text):
            parts[0] = msgspec.structs.replace(parts[0], extras={**(parts[0].extras or {}), ITEM: extras})
        if any(isinstance(part, Text) for part in self._turn) and not any(
            isinstance(part, ToolCall) for part in self._turn
        ):
            self.close()
        self._turn.extend(parts)

    def _thought(self, thought: Reasoning) -> None:
        seal = thought.signature
        if seal is not None and seal.family != OPENAI and seal.id is not None:
            if is_of_call(seal):
                self._seals[seal.id] = Seal(seal.family, seal.value)
                return
            if seal.id == OF_TEXT:
                at = next((at for at, part in reversed([*enumerate(self._turn)]) if isinstance(part, Text)), None)
                if at is not None:
                    bare = Seal(seal.family, seal.value)
                    self._turn[at] = msgspec.structs.replace(self._turn[at], signature=bare)
                return
        self._turn.append(thought)

    def _sealed(self, call: ToolCall) -> ToolCall:
        seal = self._seals.pop(CALL + tool_ids.fit(call.id), None)
        return call if seal is None else msgspec.structs.replace(call, signature=seal)

    def _result(self, result: ToolResult) -> None:
        self.close()
        self.messages.append(Message("tool", (result,)))

    def _found(self, fields: Fields, value: Any, at: str) -> None:
        """Tools that a search of the client's found: the model may call them from now on."""
        tools = self._bring(fields.items("tools"), f"{at}.tools")
        names = ", ".join(tool.name for tool in tools if isinstance(tool, Tool)) or "none"
        call = fields.text("call_id") or ""
        self._result(ToolResult(call=call, content=(Text(f"Tools found: {names}"),), extras={ITEM: value}))

    def _bring(self, values: list[Any], at: str) -> list[Tool | HostedTool]:
        """Tools from within the input: known to other wires as tools, written here only where they stand."""
        found: list[Tool | HostedTool] = []
        known = {tool.name for tool in self.tools if isinstance(tool, Tool)}
        for tool in tools_of(values, at):
            if isinstance(tool, Tool):
                if tool.name in known:
                    continue
                mark = {**client_tools.mark_of(tool.extras), "elsewhere": True}
                tool = msgspec.structs.replace(tool, extras={**(tool.extras or {}), ITEM: mark})
                self.tools.append(tool)
            found.append(tool)
        return found


def thought_of(fields: Fields, at: str) -> Reasoning:
    """A reasoning item: a summary, the thought itself where the model is open, and the encrypted thought."""
    id_ = fields.text("id")
    summary = tuple(text for each in _rows(fields, "summary") if (text := _text(each)) is not None)
    content = [text for each in _rows(fields, "content") if (text := _text(each)) is not None]
    encrypted = fields.text("encrypted_content")
    extras = dict(fields.left)
    if summary and content:
        extras["content"] = [{"type": "reasoning_text", "text": text} for text in content]
    common: dict[str, Any] = {
        "text": "\n\n".join(summary) if summary else "\n\n".join(content),
        "summary": summary,
        "id": id_,
        "extras": extras or None,
    }
    if not encrypted:
        return Reasoning(**common)
    seal = unwrap(encrypted, OPENAI)
    if seal.family != OPENAI and seal.id == REDACTED:
        return Reasoning(redacted=Seal(seal.family, seal.value), **common)
    if seal.family == OPENAI and seal.id is None:
        seal = Seal(OPENAI, seal.value, id_)
    return Reasoning(signature=seal, **common)


def _rows(fields: Fields, name: str) -> list[Any]:
    value = fields.some(name)
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    text = value.get("text") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def call_of(fields: Fields, kind: str, at: str) -> ToolCall:
    """A call of a tool that the client runs."""
    call = fields.text("call_id") or fields.left.get("id")
    if not isinstance(call, str):
        raise Malformed(f"{at}.call_id", "is missing")
    if kind in ("local_shell_call", "tool_search_call"):
        name = client_tools.LOCAL_SHELL if kind == "local_shell_call" else client_tools.TOOL_SEARCH
        if kind == "local_shell_call":
            arguments = client_tools.arguments_of(fields.some("action"))
        else:
            arguments = arguments_of(fields.some("arguments"), f"{at}.arguments")
        return ToolCall(id=call, name=name, arguments=arguments, extras={ITEM: {"type": kind, **fields.left}})
    custom = kind == "custom_tool_call"
    name = fields.needed("name")
    arguments = arguments_of(fields.some("input" if custom else "arguments"), f"{at}.arguments", custom=custom)
    namespace = fields.text("namespace")
    extras: Extras = fields.left
    if namespace is not None:
        extras = {**extras, ITEM: {"namespace": namespace, "name": name}}
        name = flat(namespace, name)
    return ToolCall(id=call, name=name, arguments=arguments, custom=custom, extras=extras or None)


def _result_of(fields: Fields, kind: str, at: str) -> ToolResult:
    call = fields.text("call_id") or fields.left.get("id")
    if not isinstance(call, str):
        raise Malformed(f"{at}.call_id", "is missing")
    output = fields.some("output")
    content = (Text(compact(output)),) if isinstance(output, dict) else parts_of(output, f"{at}.output")
    extras: Extras = fields.left
    if kind == "local_shell_call_output":
        extras = {ITEM: {"type": kind, **extras}}
    return ToolResult(call=call, content=content, custom=kind == "custom_tool_call_output", extras=extras or None)


def image_of(fields: Fields) -> Media | None:
    """The image that an `image_generation_call` made, None where there is none."""
    result = fields.left.get("result")
    if not isinstance(result, str) or not result:
        return None
    fields.some("result")
    word = fields.left.get("output_format")
    mime = f"image/{word}" if isinstance(word, str) else media.sniffed(None, result)
    return Media(kind="image", mime=mime or "image/png", data=result, extras={ITEM: fields.left})
