"""Messages requests, IR → wire. What depends on the model's generation is in generations.py.

The wire's own rules, each of which the API answers with a 400 when it is broken: `max_tokens` is needed; thinking goes
with no forced tool, with temperature 1 only, with a budget of at least 1,024 and below `max_tokens`, and, where it has
a budget, only where the model's running turn begins with thinking. Those of content are in content_out.py.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from gateway.ir.chat import (
    HostedTool,
    Request,
    Thinking,
    Tool,
    ToolChoice,
)
from gateway.protocols import custom_tools, effort, systems
from gateway.protocols.anthropic import generations, schemas
from gateway.protocols.anthropic.content_out import Content, mark
from gateway.protocols.anthropic.request_in import ORIGIN
from gateway.protocols.anthropic.schemas import closed, input_schema
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses

_TIERS: Final = {"auto": "auto", "default": "standard_only", "priority": "auto"}
ANSWER_TOOL: Final = "structured_answer"
BUDGET_LEAST: Final = 1024


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.model = dialect.model
        self.quirks = dialect.quirks
        self.losses = Losses("Anthropic's wire")
        self.same = request.origin == ORIGIN
        self.content = Content(self.losses, self.same, generations.signs(self.model))
        self.answer_tool: str | None = None

    def write(self) -> Encoded:
        """The body."""
        request = self.request
        messages = systems.in_user_words(request.messages, self.losses) if not self.same else request.messages
        leading, rest = systems.split(messages)
        if leading and not rest and not self.same:
            rest = tuple(msgspec.structs.replace(message, role="user") for message in leading)
            leading = ()
            self.losses.drop("messages.system", "Claude wants a user's words; the system's became them")
        body: dict[str, Any] = {"model": self.model, "max_tokens": self.most(), "messages": self.content.turns(rest)}
        system = self.content.system(leading)
        if system or (self.same and leading):
            body["system"] = system
        tools = self.tools()
        self.choice(body, tools)
        self.format(body, tools)
        if tools:
            body["tools"] = tools
        self.thinking(body)
        if not request.bare():
            self.scalars(body)
        if request.stream:
            body["stream"] = True
        if self.same:
            for name, value in request.extras.items():
                if name == "output_config" and isinstance(body.get(name), dict):
                    body[name] = {**value, **body[name]}
                else:
                    body.setdefault(name, value)
        else:
            self.losses.extras(request.extras)
        return Encoded(body, self.losses.all(), self.answer_tool)

    # Bounds and samplers.

    def most(self) -> int:
        """The bound on the answer."""
        most = self.request.max_tokens
        return most if isinstance(most, int) else generations.most_output(self.model)

    def scalars(self, body: dict[str, Any]) -> None:
        """Samplers, stops, labels."""
        request, losses = self.request, self.losses
        thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
        for name, value in (
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("top_k", request.top_k),
        ):
            if value is UNSET or value is None:
                continue
            if not self.same and (why := self.refuses(name, value, thinks, body)):
                if value != 1 or name == "top_k":  # 1 is what is so anyway
                    losses.drop(name, why)
            elif name == "temperature" and value > 1 and not self.same:
                losses.drop(name, "lowered to 1, the most there is")
                body[name] = 1
            else:
                body[name] = value
        if isinstance(request.stop, tuple):
            stops = [stop for stop in request.stop if stop.strip() or self.same]
            if len(stops) < len(request.stop):
                losses.drop("stop", "stop sequences of white space are not taken")
            if stops or self.same:
                body["stop_sequences"] = stops
        if isinstance(request.user, str) or (self.same and request.user is None):
            body["metadata"] = {"user_id": request.user}
        tier = request.service_tier
        if isinstance(tier, str):
            word = _TIERS.get(tier, tier if self.same else None)
            if word is None:
                losses.drop("service_tier", f"there is no tier {tier!r} here")
            else:
                body["service_tier"] = word
        losses.samplers(request)
        if isinstance(request.n, int) and request.n != 1:
            losses.drop("n", "one answer at a time")
        if not self.same:
            losses.unless(request.metadata or None, "metadata")
            losses.unless(request.cache_key, "prompt_cache_key", "prompts are cached by marks")

    def refuses(self, name: str, value: float, thinks: bool, body: dict[str, Any]) -> str | None:
        """Why the model would not take this sampler."""
        if not generations.samples(self.model):
            return "this model does not take it"
        if thinks and not (name == "temperature" and value == 1) and not (name == "top_p" and value >= 0.95):
            return "it does not go with thinking"
        if generations.samples_twice(self.model) or name == "top_k":
            return None
        other = self.request.top_p
        if name == "temperature":
            gives_way = value == 1 and isinstance(other, int | float) and other != 1
        else:
            gives_way = "temperature" in body
        return "this model takes temperature or top_p, not both" if gives_way else None

    # Thinking.

    def thinking(self, body: dict[str, Any]) -> None:
        """Thinking and effort."""
        thinking = self.request.thinking
        if thinking is None:
            return
        if self.same and not thinking.imposed:
            self.own_thinking(thinking, body)
            return
        self.losses.extras(thinking.extras, "reasoning.")
        efforts = generations.efforts(self.model)
        word = effort.word_of(thinking)
        if effort.is_off(thinking):
            if generations.can_stop_thinking(self.model) and generations.thinks(self.model):
                body["thinking"] = {"type": "disabled"}
            elif generations.thinks(self.model):
                self.losses.drop("thinking", "this model always thinks")
            return
        if efforts and word is not None:
            body.setdefault("output_config", {})["effort"] = effort.nearest(word, efforts)
        if not generations.thinks(self.model):
            self.losses.drop("thinking", "this model does not think")
        elif body.get("tool_choice", {}).get("type") in ("any", "tool"):
            self.losses.drop("thinking", "it does not go with a forced tool")
        elif generations.adaptive(self.model):
            display = {} if thinking.summary == "" else {"display": "summarized"}
            body["thinking"] = {"type": "adaptive", **display}
        else:
            self.budget(thinking, body)

    def budget(self, thinking: Thinking, body: dict[str, Any]) -> None:
        """Thinking with a budget below `max_tokens`, which is never raised: it is what the caller pays for."""
        budget = effort.budget_of(thinking)
        most = body["max_tokens"]
        budget = max(BUDGET_LEAST, 8192 if budget < 0 else budget)
        if budget >= most:
            budget = max(BUDGET_LEAST, most // 2)
        if budget >= most:
            self.losses.drop("thinking", f"max_tokens leaves no room for {BUDGET_LEAST} tokens of thought")
        elif _begun_without_thought(body["messages"]):
            self.losses.drop("thinking", "the model's running turn does not begin with thinking of its own")
        else:
            body["thinking"] = {"type": "enabled", "budget_tokens": budget}

    def own_thinking(self, thinking: Thinking, body: dict[str, Any]) -> None:
        """As the client of this wire said it."""
        if thinking.effort is not None:
            body.setdefault("output_config", {})["effort"] = thinking.effort
        if thinking.enabled is None:
            return
        out: dict[str, Any] = {"type": "adaptive" if thinking.adaptive else "enabled"}
        if not thinking.enabled:
            out = {"type": "disabled"}
        if thinking.budget is not None:
            out["budget_tokens"] = thinking.budget
        if thinking.summary is not None:
            out["display"] = "omitted" if thinking.summary == "" else "summarized"
        if out["type"] == "enabled" and _begun_without_thought(body["messages"]):
            self.losses.drop("thinking", "the model's running turn does not begin with thinking of its own")
            return
        body["thinking"] = {**out, **(thinking.extras or {})}

    # Tools and structure.

    def tools(self) -> list[dict[str, Any]]:
        """The tools that this wire can be told of."""
        out = []
        choice = self.request.tool_choice
        allowed = frozenset(choice.allowed) if choice is not None else frozenset()
        for tool in self.request.tools:
            if isinstance(tool, HostedTool):
                if self.same:
                    out.append(dict(tool.raw))
                else:
                    self.losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
            elif not allowed or tool.name in allowed:
                out.append(self.tool(tool))
        return out

    def tool(self, tool: Tool) -> dict[str, Any]:
        """One tool."""
        out: dict[str, Any] = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        if description is not None:
            out["description"] = description
        if self.same:
            out["input_schema"] = tool.schema
        else:
            schema = custom_tools.SCHEMA if tool.custom else tool.schema
            out["input_schema"] = input_schema(schema, self.losses)
        if tool.strict is not None and (self.same or (tool.strict and generations.structures(self.model))):
            out["strict"] = tool.strict
            if not self.same:
                out["input_schema"] = schemas.plain(out["input_schema"], self.losses, "tools.parameters")
        if tool.cache is not None:
            out["cache_control"] = mark(tool.cache)
        self.content.own(tool.extras, out)
        return out

    def choice(self, body: dict[str, Any], tools: list[dict[str, Any]]) -> None:
        """Which tool, and whether several at once."""
        choice, parallel = self.request.tool_choice, self.request.parallel_tools
        if choice is not None and choice.raw is not None:
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
            choice = None
        if not tools and not self.same:
            return
        if choice is None and parallel is not False:
            return
        out = _choice(choice)
        if isinstance(parallel, bool) and out["type"] != "none" and (self.same or not parallel):
            out["disable_parallel_tool_use"] = not parallel
        body["tool_choice"] = out

    def format(self, body: dict[str, Any], tools: list[dict[str, Any]]) -> None:
        """A structured answer: native where the model has it, else by a tool whose arguments are the answer."""
        format_ = self.request.format
        if format_ is None or format_.kind == "text":
            return
        if format_.kind == "json_object" or format_.schema is None:
            self.losses.drop("response_format", "json_object is asked for in words")
            if systems.mention_json(self.request.messages):
                return
            system = body.get("system")
            if isinstance(system, list):
                body["system"] = [*system, {"type": "text", "text": systems.JSON_ONLY}]
            else:
                body["system"] = f"{system}\n\n{systems.JSON_ONLY}" if system else systems.JSON_ONLY
            return
        native = self.same or (generations.structures(self.model) and not schemas.maps(format_.schema))
        schema = format_.schema
        if native and not self.same:
            schema = schemas.plain(schema, self.losses, "response_format")
        elif not native and not schemas.maps(schema):
            schema = closed(schema)
        if native:
            out = {"type": "json_schema", "schema": schema}
            self.content.own(format_.extras, out)
            body["output_config"] = {"format": out}
            return
        name = ANSWER_TOOL
        while any(tool.get("name") == name for tool in tools):
            name += "_"
        description = format_.description or "Gives the answer. Call it once, at the end, with the whole answer."
        choice = body.get("tool_choice", {})
        forced = not tools or choice.get("type") == "none"
        tools.append({"name": name, "description": description, "input_schema": input_schema(schema, self.losses)})
        if forced:
            body["tool_choice"] = {"type": "tool", "name": name}
        elif choice.get("type") in (None, "auto"):
            body["tool_choice"] = {**choice, "type": "any"}
        self.answer_tool = name


def _choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {"type": "auto"}
    if choice.mode == "tool":
        return {"type": "tool", "name": choice.name}
    return {"type": "any" if choice.mode == "required" else choice.mode}


def _begun_without_thought(turns: list[dict[str, Any]]) -> bool:
    """Whether the model's running turn, a tool loop or a beginning of its answer, does not begin with thinking.

    A tool loop is one turn: https://platform.claude.com/docs/en/build-with-claude/thinking-tool-workflows.
    """
    first: Any = None
    for turn in reversed(turns):
        blocks = turn["content"]
        if turn["role"] == "assistant":
            first = blocks
        elif isinstance(blocks, str) or not any(block["type"] == "tool_result" for block in blocks):
            break
    return first is not None and (isinstance(first, str) or first[0]["type"] not in ("thinking", "redacted_thinking"))
