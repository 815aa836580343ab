"""Requests, IR → wire, for Ollama.

The wire has no way to force a tool, to bring content by URL, or to prove thoughts; what follows from that is reported.
Its quirk: `think`, the model is known to think whatever its name; elsewhere the names decide, for a model that does not
think answers `think: true` with a 400, and one that knows no words (all but gpt-oss) a word.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import (
    Cache,
    Declined,
    Format,
    HostedTool,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from gateway.protocols import custom_tools, effort, media
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.ollama.request_in import OPTIONS, ORIGIN
from gateway.protocols.pairing import Unpairing

# https://ollama.com/search?c=thinking
_THINKS: Final = re.compile(
    r"(^|/)(deepseek-r1|deepseek-v(3\.[1-9]|4)|qwq|qwen3(?!-coder)|gpt-oss|magistral|glm-(4\.[5-9]|5)|kimi-k2-thinking"
    r"|kimi-k2\.[5-9]|minimax-m|nemotron-3|cogito-2)(?!.*instruct)",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"gpt-oss", re.IGNORECASE)
_LEVELS: Final = ("low", "medium", "high")


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.model = dialect.model
        self.quirks = dialect.quirks
        self.losses = Losses("Ollama's wire")
        self.same = request.origin == ORIGIN
        self.ids = Unpairing()
        self.names: dict[str, str] = {}  # of the called tools, by id

    def write(self) -> Encoded:
        """The body."""
        request = self.request
        body: dict[str, Any] = {"model": self.model, "messages": self.messages()}
        tools = self.tools()
        if tools:
            body["tools"] = tools
        self.format(body, request.format)
        body["stream"] = request.stream
        if request.thinking is not None:
            self.thinking(body, request.thinking)
        if not request.bare():
            self.scalars(body)
        if self.same:
            for name, value in request.extras.items():
                if name == "item":
                    body["options"] = {**value, **body.get("options", {})}
                elif name.startswith(OPTIONS):
                    body.setdefault("options", {})[name.removeprefix(OPTIONS)] = value
                else:
                    body.setdefault(name, value)
        else:
            self.losses.extras(request.extras)
        return Encoded(body, self.losses.all())

    def scalars(self, body: dict[str, Any]) -> None:
        """Samplers and bounds, most of them in `options`."""
        request, losses = self.request, self.losses
        stop = list(request.stop) if isinstance(request.stop, tuple) else request.stop
        options = {
            name: value
            for name, value in (
                ("num_predict", request.max_tokens),
                ("temperature", request.temperature),
                ("top_p", request.top_p),
                ("top_k", request.top_k),
                ("stop", stop),
                ("seed", request.seed),
                ("presence_penalty", request.presence_penalty),
                ("frequency_penalty", request.frequency_penalty),
            )
            if value is not UNSET and (value is not None or self.same)
        }
        if options:
            body["options"] = options
        if request.logprobs is not UNSET and (request.logprobs is not None or self.same):
            body["logprobs"] = request.logprobs
        if request.top_logprobs is not UNSET and (request.top_logprobs is not None or self.same):
            body["top_logprobs"] = request.top_logprobs
        losses.unless(request.logit_bias or None, "logit_bias")
        losses.unless(request.user, "user")
        losses.unless(request.metadata or None, "metadata")
        losses.unless(request.cache_key, "prompt_cache_key", "prompts are cached here without keys")
        if request.service_tier not in (UNSET, None, "auto", "default"):
            losses.drop("service_tier", "there are no tiers here")
        if isinstance(request.n, int) and request.n != 1:
            losses.drop("n", "one answer at a time")
        if request.parallel_tools is False and request.tools:
            losses.drop("parallel_tool_calls", "the model decides how many tools it calls")

    def thinking(self, body: dict[str, Any], thinking: Thinking) -> None:
        """`think`: on, off, or a word for those models that take one."""
        if self.same and not thinking.imposed:
            own = (thinking.extras or {}).get("think")
            body["think"] = own if own is not None else thinking.effort or thinking.enabled is True
            return
        words = _WORDS.search(self.model) is not None
        if effort.is_off(thinking):
            body["think"] = "low" if words else False
            if words:
                self.losses.drop("thinking", "this model always thinks; as little as it can")
            return
        if not words and "think" not in self.quirks and _THINKS.search(self.model) is None:
            self.losses.drop("thinking", "this model is not known to think")
            return
        word = effort.word_of(thinking)
        if words and word is not None:
            body["think"] = effort.said(word, thinking, _LEVELS, self.losses)
            return
        body["think"] = True
        if word is not None:
            self.losses.drop(
                "thinking.budget" if thinking.effort is None else "thinking.effort", "thinking is on or off here"
            )

    # Tools and structure.

    def tools(self) -> list[dict[str, Any]]:
        """The tools. A choice is kept by leaving out what may not be called; nothing can be forced."""
        choice = self.request.tool_choice
        only: tuple[str, ...] = ()
        if choice is not None and choice.raw is not None:
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
        elif choice is not None and self.request.tools:
            if choice.mode == "none":
                self.losses.drop("tool_choice", "the tools are left out, so that none is called")
                return []
            if choice.mode != "auto":
                self.losses.drop("tool_choice", "a tool can be offered here, not forced")
            only = (choice.name,) if choice.mode == "tool" and choice.name is not None else choice.allowed
        return [
            written
            for tool in self.request.tools
            if (isinstance(tool, HostedTool) or not only or tool.name in only)
            and (written := self.tool(tool)) is not None
        ]

    def tool(self, tool: Tool | HostedTool) -> dict[str, Any] | None:
        """One tool."""
        if isinstance(tool, HostedTool):
            if self.same:
                return dict(tool.raw)
            self.losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
            return None
        inner: dict[str, Any] = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        if description is not None:
            inner["description"] = description
        schema = custom_tools.SCHEMA if tool.custom else tool.schema
        if schema is not None:
            inner["parameters"] = schema
        elif not self.same:
            inner["parameters"] = {"type": "object", "properties": {}}
        if self.same and tool.strict is not None:
            inner["strict"] = tool.strict
        elif tool.strict:
            self.losses.drop("tools.strict", "arguments are not held to their schema here")
        self.cache(tool.cache)
        out: dict[str, Any] = {"type": "function", "function": inner}
        if tool.extras and self.same:
            inner.update(tool.extras.get("function") or {})
            out.update({name: value for name, value in tool.extras.items() if name != "function"})
        elif tool.extras:
            self.losses.extras(tool.extras)
        return out

    def format(self, body: dict[str, Any], format_: Format | None) -> None:
        """The form of the answer."""
        if format_ is None or format_.kind == "text":
            return
        body["format"] = "json" if format_.kind == "json_object" or format_.schema is None else format_.schema
        if not self.same:
            self.losses.unless(format_.description, "response_format.description")
            self.losses.extras(format_.extras)

    # Messages.

    def messages(self) -> list[dict[str, Any]]:
        """The messages; results of tools each stand for themselves here."""
        out: list[dict[str, Any]] = []
        for message in self.request.messages:
            if message.role == "tool":
                out.extend(self.result(part) for part in message.parts if isinstance(part, ToolResult))
                continue
            written = self.message(message)
            if self.same or len(written) > 2 or written["content"] or message.role == "user":
                out.append(written)
        return out

    def message(self, message: Message) -> dict[str, Any]:
        """One message that is no tool's."""
        role: str = message.role
        if role == "developer" and not self.same:
            role = "system"
        content, images = self.content(message.parts, "" if role == "assistant" else "\n\n")
        out: dict[str, Any] = {"role": role, "content": content}
        thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
        if thoughts:
            text = "".join(self.thought(thought) for thought in thoughts)
            if text:
                out["thinking"] = text
        if images:
            out["images"] = images
        calls = [self.call(part, at) for at, part in enumerate(_calls(message))]
        if calls:
            out["tool_calls"] = calls
        if message.name is not None:
            if self.same:
                out["name"] = message.name
            else:
                self.losses.drop("messages.name", "participants have no names here")
        self.own(message.extras, out)
        return out

    def content(self, parts: tuple[Part, ...], between: str) -> tuple[str, list[str]]:
        """The texts as one, and the images; Ollama itself puts a blank line between texts of a role."""
        texts: list[str] = []
        images: list[str] = []
        for part in parts:
            match part:
                case Text():
                    texts.append(part.text)
                    self.cache(part.cache)
                    if part.signature is not None:
                        self.losses.drop("text.signature", "there is no place for it here")
                    if part.citations:
                        self.losses.drop("citations", "there is no place for them here")
                    self.own(part.extras, {})
                case Media():
                    self.cache(part.cache)
                    self.own(part.extras, {})
                    self.media(part, texts, images)
                case Declined():
                    texts.append(part.text)
                case Opaque():
                    self.losses.drop(part.what, "only the client's own wire knows it")
        return between.join(text for text in texts if text), images

    def media(self, part: Media, texts: list[str], images: list[str]) -> None:
        """An image by its bytes, a document by its text; nothing else can be said."""
        text = part.text
        if text is None and part.data is not None and part.kind == "document":
            text = media.text_of(media.sniffed(part.mime or media.by_name(part.name), part.data), part.data)
        media.report(part, self.losses, name=text is not None)
        if text is not None:
            texts.append(text)
        elif part.kind == "image" and part.data is not None:
            images.append(part.data)
            if part.detail not in (None, "auto"):
                self.losses.drop("image.detail", "there is no resolution to choose")
        elif part.url is not None:
            self.losses.drop(f"{part.kind}.url", f"{part.kind}s by URL cannot be said here")
        elif part.file is not None:
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
        else:
            self.losses.drop(part.kind, f"Ollama's wire takes no {part.kind} of this kind")

    def thought(self, thought: Reasoning) -> str:
        """A thought's text; what proves it stays behind."""
        if thought.signature is not None or thought.redacted is not None:
            self.losses.drop("reasoning.signature", "there is no place for it here")
        return thought.text

    def call(self, call: ToolCall, at: int) -> dict[str, Any]:
        """A call of the model's. Its arguments are an object here."""
        self.names[call.id] = call.name
        given: Any = custom_tools.to_object(call.arguments) if call.custom else self.losses.object_of(call.arguments)
        inner: dict[str, Any] = {"name": call.name, "arguments": given}
        out: dict[str, Any] = {"function": inner}
        id_ = self.ids.call(call.id, call.name) if self.same else call.id
        if id_ is not None:
            out = {"id": id_, "function": inner}
        extras = dict(call.extras or {})
        if self.same:
            if "index" in extras:
                inner["index"] = extras.pop("index")
            out.update(extras)
        else:
            inner["index"] = at
            self.losses.extras(extras)
        if call.signature is not None:
            self.losses.drop("tool_call.signature", "there is no place for it here")
        self.cache(call.cache)
        return out

    def result(self, result: ToolResult) -> dict[str, Any]:
        """A result, named by its call's id and by its tool, for servers that know no ids."""
        content, images = self.content(result.content, "\n\n")
        out: dict[str, Any] = {"role": "tool", "content": content}
        name = result.name
        id_: str | None = result.call
        if self.same:
            id_ = self.ids.result(result.call, result.name)
        elif name is None:
            name = self.names.get(result.call)
        if name is not None:
            out["tool_name"] = name
        if id_ is not None:
            out["tool_call_id"] = id_
        if images:
            out["images"] = images
        if result.error:
            self.losses.drop("tool_result.is_error", "there is no field for it here")
        self.cache(result.cache)
        self.own(result.extras, out)
        return out

    def cache(self, cache: Cache | None) -> None:
        """A cache mark, which is reported."""
        if cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")

    def own(self, extras: dict[str, Any] | None, out: dict[str, Any]) -> None:
        """Fields of the client's own wire, back on it or reported."""
        if extras:
            if self.same:
                out.update(extras)
            else:
                self.losses.extras(extras)


def _calls(message: Message) -> list[ToolCall]:
    return [part for part in message.parts if isinstance(part, ToolCall)]
