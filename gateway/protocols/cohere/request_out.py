"""Requests, IR → wire, for Cohere's models.

The wire's own rules, most of them answered with a 400 when broken (https://docs.cohere.com/reference/errors): the
system prompt comes first, a user's or a tool's words last, and no turn is empty; temperature, frequency and presence
penalties are 0 to 1, the latter two not together; `p` is 0.01 to 0.99; a form of the answer does not go with tools, so
a schema then becomes a tool of its own; a tool cannot be forced by name, so the others are left out. Quirk: `thinking`,
the model is known to reason whatever its name.
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
from gateway.protocols import custom_tools, effort, media, systems
from gateway.protocols.anthropic.schemas import input_schema
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.reading import compact

ANSWER_TOOL: Final = "structured_answer"
_NOTHING: Final = "(no content)"
# https://docs.cohere.com/docs/reasoning
_REASONS: Final = re.compile(r"reasoning|command-a-plus", re.IGNORECASE)
# Fields of Cohere's own that a client of any wire can only have meant for it: https://docs.cohere.com/reference/chat
_OWN: Final = ("documents", "citation_options", "safety_mode", "strict_tools")


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.model = dialect.model
        self.reasons = "thinking" in dialect.quirks or _REASONS.search(dialect.model) is not None
        self.losses = Losses("Cohere's wire")
        self.answer_tool: str | None = None

    def write(self) -> Encoded:
        """The body."""
        request = self.request
        body: dict[str, Any] = {"model": self.model, "messages": self.messages(), "stream": request.stream}
        tools = self.tools(body)
        self.format(body, tools, request.format)
        if tools:
            body["tools"] = tools
        if not request.bare():
            self.scalars(body)
        if request.thinking is not None:
            self.thinking(body, request.thinking)
        if request.extras:
            own = {name: value for name, value in request.extras.items() if name in _OWN and value is not None}
            body.update(own)
            self.losses.extras({name: value for name, value in request.extras.items() if name not in own})
        return Encoded(body, self.losses.all(), self.answer_tool)

    # Samplers and bounds.

    def scalars(self, body: dict[str, Any]) -> None:
        """The fields that are numbers or words."""
        request, losses = self.request, self.losses
        plain = {
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "k": request.top_k,
            "logprobs": request.logprobs,
        }
        body.update({name: value for name, value in plain.items() if value is not UNSET and value is not None})
        if isinstance(request.temperature, int | float):
            body["temperature"] = self.within("temperature", request.temperature, 0, 1)
        if isinstance(request.top_p, int | float):
            body["p"] = self.within("top_p", request.top_p, 0.01, 0.99)
        penalties = []
        for name, given in (
            ("frequency_penalty", request.frequency_penalty),
            ("presence_penalty", request.presence_penalty),
        ):
            if isinstance(given, int | float):
                penalties.append((name, self.within(name, given, 0, 1)))
        if len(penalties) == 2:  # one at a time; a zero is what leaving it out means
            kept = [each for each in penalties if each[1]] or penalties[:1]
            if len(kept) == 2:
                losses.drop("presence_penalty", "it does not go with frequency_penalty here")
            penalties = kept[:1]
        body.update(penalties)
        if isinstance(request.stop, tuple) and request.stop:
            if len(request.stop) > 5:
                losses.drop("stop", "there are at most 5")
            body["stop_sequences"] = list(request.stop[:5])
        losses.unless(request.top_logprobs or None, "top_logprobs")
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

    def within(self, name: str, value: float, least: float, most: float) -> float:
        """A number inside its bounds; one that had to be moved is reported."""
        if least <= value <= most:
            return value
        self.losses.drop(name, f"moved into {least} to {most}")
        return min(max(value, least), most)

    def thinking(self, body: dict[str, Any], thinking: Thinking) -> None:
        """Thinking is on for the models that reason; it can be bounded or turned off."""
        if effort.is_off(thinking):
            if self.reasons:
                body["thinking"] = {"type": "disabled"}
            return
        if not self.reasons:
            self.losses.drop("thinking", "this model is not known to reason")
            return
        out: dict[str, Any] = {"type": "enabled"}
        budget = effort.budget_of(thinking)
        most = self.request.max_tokens
        if isinstance(most, int) and budget >= most:
            if thinking.budget is not None:
                self.losses.drop("thinking.budget", "lowered below max_tokens")
            budget = most // 2
        if budget > 0:
            out["token_budget"] = budget
        body["thinking"] = out

    # Tools and structure.

    def tools(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The tools that may be called, and whether one must be."""
        known: list[Tool] = []
        for each in self.request.tools:
            if isinstance(each, HostedTool):
                self.losses.drop(f"tools.{each.what}", "the tool is run by another provider")
            else:
                known.append(each)
        choice = self.request.tool_choice
        if choice is not None and choice.raw is not None:
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
        elif choice is not None and known:
            named = (choice.name,) if choice.mode == "tool" and choice.name is not None else choice.allowed
            left = [tool for tool in known if not named or tool.name in named]
            if left and len(left) < len(known):
                self.losses.drop("tool_choice", "no tool can be named here: the others are left out")
                known = left
            if choice.mode != "auto":
                body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
        if known and all(tool.strict for tool in known):
            body["strict_tools"] = True
        elif any(tool.strict for tool in known):
            self.losses.drop("tools.strict", "all tools are strict here, or none")
        return [self.tool(tool) for tool in known]

    def tool(self, tool: Tool) -> dict[str, Any]:
        """One tool; it must have parameters."""
        inner: dict[str, Any] = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        if description is not None:
            inner["description"] = description
        schema = custom_tools.SCHEMA if tool.custom else tool.schema
        inner["parameters"] = input_schema(schema, self.losses)
        self.cache(tool.cache)
        self.losses.extras(tool.extras)
        return {"type": "function", "function": inner}

    def format(self, body: dict[str, Any], tools: list[dict[str, Any]], format_: Format | None) -> None:
        """The form of the answer; with tools, a tool whose arguments are the answer."""
        if format_ is None or format_.kind == "text":
            return
        self.losses.extras(format_.extras)
        schema = format_.schema if format_.kind == "json_schema" else None
        if not tools:
            self.losses.unless(format_.description, "response_format.description")
            body["response_format"] = {"type": "json_object"}
            if schema is not None:
                body["response_format"]["json_schema"] = schema
        elif body.get("tool_choice") == "NONE":
            self.losses.drop("tools", "left out, as none may be called and they do not go with a form of the answer")
            tools.clear()
            del body["tool_choice"]
            body.pop("strict_tools", None)
            self.format(body, tools, format_)
        elif "tool_choice" in body:
            pass  # a call is what the answer will be
        elif not isinstance(schema, dict):
            self.losses.drop("response_format", "it does not go with tools here")
        else:
            name = ANSWER_TOOL
            while any(tool["function"]["name"] == name for tool in tools):
                name += "_"
            words = format_.description or "Gives the answer. Call it once, at the end, with the whole answer."
            tools.append({"type": "function", "function": {"name": name, "description": words, "parameters": schema}})
            body["tool_choice"] = "REQUIRED"
            self.answer_tool = name

    # Messages.

    def messages(self) -> list[dict[str, Any]]:
        """The messages: the leading system texts as one, results of tools each for themselves."""
        leading, rest = systems.split(systems.in_user_words(self.request.messages, self.losses))
        out: list[dict[str, Any]] = []
        system = self.content(tuple(part for message in leading for part in message.parts))
        if system:
            out.append({"role": "system", "content": system})
        for message in leading:
            self.named(message)
        moved: list[dict[str, Any]] = []
        for message in rest:
            if message.role == "tool":
                out.extend(self.result(part, moved) for part in message.parts if isinstance(part, ToolResult))
                continue
            if moved:
                out.append({"role": "user", "content": moved})
                moved = []
            self.named(message)
            written = self.assistant(message) if message.role == "assistant" else self.user(message)
            if written is not None:
                out.append(written)
        if moved:
            out.append({"role": "user", "content": moved})
        if out and out[-1]["role"] == "assistant":
            self.losses.drop(
                "messages", f"an answer cannot be begun here: {_NOTHING!r} was put after it, as the user's"
            )
            out.append({"role": "user", "content": _NOTHING})
        return out

    def named(self, message: Message) -> None:
        """What no message can bear here."""
        if message.name is not None:
            self.losses.drop("messages.name", "participants have no names here")
        self.losses.extras(message.extras)

    def user(self, message: Message) -> dict[str, Any]:
        """A user's turn."""
        return {"role": "user", "content": self.content(message.parts) or _NOTHING}

    def assistant(self, message: Message) -> dict[str, Any] | None:
        """Text, thought and calls of the model's own turn."""
        calls = [self.call(part) for part in message.parts if isinstance(part, ToolCall)]
        out: dict[str, Any] = {"role": "assistant"}
        thought = "".join(self.thought(part) for part in message.parts if isinstance(part, Reasoning))
        content = self.content(message.parts)
        if thought and self.reasons:
            texts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
            content = [{"type": "thinking", "thinking": thought}, *texts]
        elif thought and calls:
            out["tool_plan"] = thought
        elif thought:
            self.losses.drop("reasoning", "this model takes no thoughts back but plans of calls")
        if content:
            out["content"] = content
        if calls:
            out["tool_calls"] = calls
        return out if len(out) > 1 else None

    def thought(self, thought: Reasoning) -> str:
        """A thought's text; what proves it stays behind."""
        if thought.signature is not None or thought.redacted is not None:
            self.losses.drop("reasoning.signature", "there is no place for it here")
        return thought.text

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call of the model's."""
        arguments = compact(custom_tools.to_object(call.arguments)) if call.custom else call.arguments
        if call.signature is not None:
            self.losses.drop("tool_call.signature", "there is no place for it here")
        self.cache(call.cache)
        self.losses.extras(call.extras)
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments or "{}"}}

    def result(self, result: ToolResult, moved: list[dict[str, Any]]) -> dict[str, Any]:
        """A tool's result; what is no text goes into a user message after all results."""
        content = self.content(result.content)
        if isinstance(content, list):
            pictures = [part for part in content if part["type"] != "text"]
            if pictures:
                self.losses.drop("tool_result.media", "moved into a user message: results are text here")
                moved.extend(pictures)
                content = [part for part in content if part["type"] == "text"]
        if result.error:
            self.losses.drop("tool_result.is_error", "there is no field for it here")
        self.cache(result.cache)
        self.losses.extras(result.extras)
        return {"role": "tool", "tool_call_id": result.call, "content": content or _NOTHING}

    def content(self, parts: tuple[Part, ...]) -> Any:
        """A string for one text, parts for everything else, None for nothing. A turn must not hold empty texts."""
        written = [part for each in parts if (part := self.part(each)) is not None]
        written = [part for part in written if part["type"] != "text" or part["text"]]
        if len(written) == 1 and written[0]["type"] == "text":
            return written[0]["text"]
        return written or None

    def part(self, part: Part) -> dict[str, Any] | None:
        """One part of a content; thoughts, calls and results have places of their own."""
        match part:
            case Text():
                if part.signature is not None:
                    self.losses.drop("text.signature", "there is no place for it here")
                if part.citations:
                    self.losses.drop("citations", "they are not taken back here")
                written: dict[str, Any] | None = {"type": "text", "text": part.text}
            case Media():
                written = self.media(part)
            case Declined():
                return {"type": "text", "text": part.text}
            case Opaque():
                self.losses.drop(part.what, "only the client's own wire knows it")
                return None
            case _:
                return None
        self.cache(part.cache)
        self.losses.extras(part.extras)
        return written

    def media(self, part: Media) -> dict[str, Any] | None:
        """An image by URL or by its bytes, a document by its text."""
        text = part.text
        if part.kind == "image" and text is None and (part.url is not None or part.data is not None):
            url = part.url
            if url is None and part.data is not None:
                url = media.to_data_url(media.sniffed(part.mime, part.data), part.data)
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        if text is None and part.data is not None and part.kind == "document":
            text = media.text_of(media.sniffed(part.mime or media.by_name(part.name), part.data), part.data)
        media.report(part, self.losses, name=text is not None)
        if text is not None:
            return {"type": "text", "text": text}
        if part.file is not None:
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
        elif part.url is not None:
            self.losses.drop(f"{part.kind}.url", f"{part.kind}s by URL cannot be said here")
        else:
            self.losses.drop(part.kind, f"Cohere's wire takes no {part.kind} of this kind")
        return None

    def cache(self, cache: Cache | None) -> None:
        """A cache mark, which is reported."""
        if cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
