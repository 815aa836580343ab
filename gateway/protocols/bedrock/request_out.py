"""Converse requests, IR → wire: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

The model is named in the path. What only one maker's models take goes into `additionalModelRequestFields`: Claude's
`thinking`, `top_k` and `tool_choice`, Nova's `inferenceConfig.topK` and `reasoningConfig`, `reasoning_effort`. A client
of another wire may write Converse's own top-level fields (`guardrailConfig`, `performanceConfig`, …); they are taken as
they are. What models take is in models.py, messages are in turns_out.py.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import HostedTool, Message, Request, Thinking, Tool, ToolChoice
from gateway.protocols import custom_tools, effort, systems
from gateway.protocols.anthropic import generations
from gateway.protocols.anthropic.schemas import closed, input_schema
from gateway.protocols.bedrock import formats, models
from gateway.protocols.bedrock.turns_out import Turns, called, loop_without_thought
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses

BUDGET_LEAST: Final = 1024
_EFFORTS: Final = ("low", "medium", "high")
_EFFORT_BETA: Final = "effort-2025-11-24"
_TIERS: Final = {
    "auto": "",
    "default": "default",
    "priority": "priority",
    "flex": "flex",
    "reserved": "reserved",
}
# Converse's own fields; no other wire has these names.
_OWN: Final = frozenset(
    "guardrailConfig additionalModelRequestFields promptVariables additionalModelResponseFieldPaths requestMetadata"
    " performanceConfig serviceTier".split()
)
_LABEL: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.\-]{0,256}")
_NO_SYSTEM: Final = re.compile(r"titan|mistral-7b|mixtral|ai21\.j2|cohere\.command-(text|light)")


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.model = dialect.model
        self.maker = models.maker(dialect.model, dialect.quirks)
        self.claude = self.maker == models.CLAUDE
        self.losses = Losses("Bedrock's Converse")
        self.inference: dict[str, Any] = {}
        self.additional: dict[str, Any] = {}
        self.output: dict[str, Any] = {}
        self.asked: list[str] = []  # fields of the model's own answer to be told of
        self.answer_tool: str | None = None
        self.thinks = False

    def write(self) -> Encoded:
        """The body."""
        request = self.request
        leading, rest = systems.split(systems.in_user_words(request.messages, self.losses))
        if leading and _NO_SYSTEM.search(self.model):
            self.losses.drop("messages.system", "this model has no system prompt: it is the user's words")
            rest = (*(Message("user", message.parts) for message in leading), *rest)
            leading = ()
        writer = Turns(self.model, self.maker, self.losses)
        body: dict[str, Any] = {"messages": writer.turns(rest)}
        system = writer.system(leading)
        tools = self.tools(writer)
        choice = self.choice(tools, body["messages"])
        choice = self.format(tools, choice, system)
        if system:
            body["system"] = system
        if tools:
            body["toolConfig"] = {"tools": tools}
            self.choose(choice, body["toolConfig"])
        said = not request.bare()
        if said:
            self.bounds()
        self.thinking(choice, body["messages"])
        if said:
            self.samplers()
            self.others(body)
        return self.finished(body)

    def finished(self, body: dict[str, Any]) -> Encoded:
        """The body with what was collected beside it, and the client's own Converse fields."""
        collected = {
            "inferenceConfig": self.inference,
            "outputConfig": self.output,
            "additionalModelRequestFields": self.additional,
        }
        if self.asked:
            body["additionalModelResponseFieldPaths"] = self.asked
        body.update({name: value for name, value in collected.items() if value})
        if not self.request.extras:
            return Encoded(body, self.losses.all(), self.answer_tool)
        extras = {name: value for name, value in self.request.extras.items() if name not in _OWN}
        for name, value in self.request.extras.items():
            if name not in _OWN or value is None:
                continue
            ours = body.get(name)
            body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, dict) else value
        self.losses.extras(extras)
        return Encoded(body, self.losses.all(), self.answer_tool)

    # Bounds, samplers, labels.

    def bounds(self) -> None:
        """How much, and until what."""
        request = self.request
        if isinstance(request.max_tokens, int):
            self.inference["maxTokens"] = request.max_tokens
        if isinstance(request.stop, tuple):
            stops = [stop for stop in request.stop if stop.strip()]
            if len(stops) < len(request.stop):
                self.losses.drop("stop", "stop sequences of white space are not taken")
            if stops:
                self.inference["stopSequences"] = stops
                if self.claude:
                    self.asked = ["/delta/stop_sequence" if request.stream else "/stop_sequence"]

    def samplers(self) -> None:
        """Temperature, top_p, top_k."""
        for name, value in (
            ("temperature", self.request.temperature),
            ("top_p", self.request.top_p),
            ("top_k", self.request.top_k),
        ):
            if value is UNSET or value is None:
                continue
            why = self.refuses(name, value)
            if why is not None:
                self.losses.drop(name, why)
            elif name == "top_k":
                self.top_k(value)
            elif value > 1:
                self.losses.drop(name, "lowered to 1, the most there is")
                self.inference["temperature" if name == "temperature" else "topP"] = 1
            else:
                self.inference["temperature" if name == "temperature" else "topP"] = value

    def refuses(self, name: str, value: float) -> str | None:
        """Why the model would not take this sampler."""
        if self.maker == models.NOVA and self.thinks and name != "top_k":
            return "it does not go with this model's high effort"
        if not self.claude:
            return None
        if not generations.samples(self.model):
            return None if name == "temperature" and value == 1 else "this model does not take it"
        if self.thinks and not (name == "temperature" and value == 1) and not (name == "top_p" and value >= 0.95):
            return "it does not go with thinking"
        both = isinstance(self.request.temperature, int | float)
        if name == "top_p" and both and not generations.samples_twice(self.model):
            return "this model takes temperature or top_p, not both"
        return None

    def top_k(self, value: int | float) -> None:
        """The sampler that each maker calls something else."""
        if self.maker == models.NOVA:
            self.additional["inferenceConfig"] = {"topK": value}
        elif self.claude or self.maker in ("mistral", "cohere"):
            self.additional["k" if self.maker == "cohere" else "top_k"] = value
        else:
            self.losses.drop("top_k", "this model is not known to take it")

    def others(self, body: dict[str, Any]) -> None:
        """Tier and labels, and the parameters that Converse does not have."""
        request, losses = self.request, self.losses
        if isinstance(request.service_tier, str):
            tier = _TIERS.get(request.service_tier)
            if tier is None:
                losses.drop("service_tier", f"there is no tier {request.service_tier!r} here")
            elif tier:
                body["serviceTier"] = {"type": tier}
        if isinstance(request.metadata, dict) and request.metadata:
            labels = {
                name: value
                for name, value in request.metadata.items()
                if name and isinstance(value, str) and _LABEL.fullmatch(name) and _LABEL.fullmatch(value)
            }
            if len(labels) < len(request.metadata) or len(labels) > 16:
                losses.drop("metadata", "only 16 labels of up to 256 plain characters are taken")
            if labels:
                body["requestMetadata"] = dict(list(labels.items())[:16])
        losses.samplers(request)
        if isinstance(request.n, int) and request.n != 1:
            losses.drop("n", "one answer at a time")
        losses.unless(request.user, "user")
        losses.unless(request.cache_key, "prompt_cache_key", "prompts are cached by marks")

    # Thinking.

    def thinking(self, choice: ToolChoice | None, turns: list[dict[str, Any]]) -> None:
        """Thinking and effort, in the words of the model's maker."""
        thinking = self.request.thinking
        if thinking is None:
            return
        self.losses.extras(thinking.extras)
        if self.claude:
            self.claude_thinking(thinking, choice, turns)
        elif effort.is_off(thinking):
            if models.always_thinks(self.model):
                self.losses.drop("thinking", "this model always thinks")
        elif models.reasons(self.model, self.maker):
            self.nova_thinking(thinking)
        elif self.maker == "gpt-oss":
            self.additional["reasoning_effort"] = effort.nearest(effort.word_of(thinking) or "medium", _EFFORTS)
        else:
            self.losses.drop("thinking", "this model is not known to take an effort")

    def nova_thinking(self, thinking: Thinking) -> None:
        """Nova's effort; with the highest there is no bound and no sampler."""
        word = effort.nearest(effort.word_of(thinking) or "medium", _EFFORTS)
        if word == "high" and "maxTokens" in self.inference:
            self.losses.drop("thinking", "lowered to medium: this model's high effort goes with no max_tokens")
            word = "medium"
        self.thinks = word == "high"
        self.additional["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}

    def claude_thinking(self, thinking: Thinking, choice: ToolChoice | None, turns: list[dict[str, Any]]) -> None:
        """Claude's thinking, by generation."""
        model = self.model
        if effort.is_off(thinking):
            if not generations.thinks(model):
                return
            if generations.can_stop_thinking(model):
                self.additional["thinking"] = {"type": "disabled"}
            else:
                self.losses.drop("thinking", "this model always thinks")
            return
        efforts = generations.efforts(model)
        word = effort.word_of(thinking) if thinking.effort or not generations.budgets(model) else None
        if efforts and word is not None:
            self.output["effort"] = effort.nearest(word, efforts)
            if generations.version(model) == (4, 5):
                self.additional["anthropic_beta"] = [_EFFORT_BETA]
        if not generations.thinks(model):
            self.losses.drop("thinking", "this model does not think")
        elif choice is not None and choice.mode in ("required", "tool"):
            self.losses.drop("thinking", "it does not go with a forced tool")
        elif generations.adaptive(model) and not (
            thinking.budget and thinking.budget > 0 and generations.budgets(model)
        ):
            self.additional["thinking"] = {"type": "adaptive"}
            if (
                generations.version(model) >= (4, 7) and thinking.summary != ""
            ):  # where thought is hidden unless asked for
                self.additional["thinking"]["display"] = "summarized"
            self.thinks = True
        else:
            self.budget(thinking, turns)

    def budget(self, thinking: Thinking, turns: list[dict[str, Any]]) -> None:
        """Thinking with a budget below `maxTokens`, which is never raised: it is what the caller pays for."""
        most = self.inference.get("maxTokens", generations.most_output(self.model))
        budget = effort.budget_of(thinking)
        budget = max(BUDGET_LEAST, 8192 if budget < 0 else budget)
        if budget >= most:
            budget = max(BUDGET_LEAST, most // 2)
        if budget >= most:
            self.losses.drop("thinking", f"max_tokens leaves no room for {BUDGET_LEAST} tokens of thought")
        elif loop_without_thought(turns):
            self.losses.drop("thinking", "the thinking of the running tool loop did not come back with it")
        else:
            self.inference["maxTokens"] = most
            self.additional["thinking"] = {"type": "enabled", "budget_tokens": budget}
            self.thinks = True

    # Tools and structure.

    def tools(self, writer: Turns) -> list[dict[str, Any]]:
        """The tools that the model may call."""
        choice = self.request.tool_choice
        names = frozenset(choice.allowed) if choice is not None else frozenset()
        if choice is not None and choice.mode == "tool" and choice.name and not models.forces_one(self.maker):
            names = frozenset((choice.name,)) if models.forces_any(self.maker) else names
        out: list[dict[str, Any]] = []
        for tool in self.request.tools:
            if isinstance(tool, HostedTool):
                self.losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
            elif not names or tool.name in names:
                out.append(self.tool(tool))
                if tool.cache is not None and (point := self.tool_mark(tool, writer)) is not None:
                    out.append(point)
        return out

    def tool_mark(self, tool: Tool, writer: Turns) -> dict[str, Any] | None:
        """The cache mark after a tool."""
        if models.caches(self.model, self.maker) and not models.caches_tools(self.maker):
            self.losses.drop("tools.cache_control", "this model does not cache tools")
            return None
        return None if tool.cache is None else writer.point(tool.cache)

    def tool(self, tool: Tool) -> dict[str, Any]:
        """One tool."""
        spec: dict[str, Any] = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        if description and description.strip():
            spec["description"] = description
        schema = input_schema(custom_tools.SCHEMA if tool.custom else tool.schema, self.losses)
        if tool.strict:
            if models.structures(self.model, self.maker) and formats.enforced(schema):
                spec["strict"] = True
                schema = closed(schema)
            else:
                self.losses.drop("tools.strict", "this model does not enforce this schema")
        spec["inputSchema"] = {"json": schema}
        self.losses.extras(tool.extras)
        return {"toolSpec": spec}

    def choice(self, tools: list[dict[str, Any]], turns: list[dict[str, Any]]) -> ToolChoice | None:
        """Which tool the model is to call, as far as it can be told. Tools that may not be called are taken away,
        but where the conversation already has calls: then Converse wants to know the tools."""
        choice, names = self.request.tool_choice, called(turns)
        if choice is not None and choice.raw is not None:
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
            choice = None
        if choice is not None and choice.mode == "none":
            if names and tools:
                self.losses.drop(
                    "tool_choice", "the tools stay: the conversation has calls, and there is no 'none' here"
                )
            else:
                tools.clear()
            choice = None
        if names and not tools:
            self.losses.drop("tools", "the conversation has calls: the tools they name were declared")
            tools += [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in names]
            return None
        if choice is None or not tools:
            return None
        if choice.mode == "tool" and not models.forces_one(self.maker) and models.forces_any(self.maker):
            return ToolChoice(mode="required")
        if choice.mode in ("required", "tool") and not models.forces_any(self.maker):
            self.losses.drop("tool_choice", "this model cannot be made to call a tool")
            return None
        return choice

    def format(
        self, tools: list[dict[str, Any]], choice: ToolChoice | None, system: list[dict[str, Any]]
    ) -> ToolChoice | None:
        """A structured answer: enforced where the model and the schema allow it, else by a tool; the choice then."""
        format_ = self.request.format
        if format_ is None or format_.kind == "text":
            return choice
        self.losses.extras(format_.extras)
        if format_.kind == "json_object" or not isinstance(format_.schema, dict):
            self.losses.drop("response_format", "json_object is asked for in words")
            if _NO_SYSTEM.search(self.model) is None and not systems.mention_json(self.request.messages):
                system.append({"text": systems.JSON_ONLY})
            return choice
        if models.structures(self.model, self.maker) and formats.enforced(format_.schema):
            self.output["textFormat"] = formats.text_format(format_, closed(format_.schema))
            return choice
        alone = not tools
        taken = {tool["toolSpec"]["name"] for tool in tools if "toolSpec" in tool}
        self.answer_tool, tool = formats.answer_tool(format_, input_schema(format_.schema, self.losses), taken)
        tools.append(tool)
        if not models.forces_any(self.maker):
            self.losses.drop("response_format", "this model is asked to keep to the schema, not made to")
            return choice
        if alone and models.forces_one(self.maker):
            return ToolChoice(mode="tool", name=self.answer_tool)
        return choice if choice is not None and choice.mode == "tool" else ToolChoice(mode="required")

    def choose(self, choice: ToolChoice | None, config: dict[str, Any]) -> None:
        """Writes the choice, and that calls come one at a time, which only Claude is told, in words of its own."""
        mode = {None: None, "auto": "auto", "required": "any", "tool": "tool"}.get(choice.mode if choice else None)
        if self.request.parallel_tools is False:
            if self.claude and generations.version(self.model) >= (4, 5):
                forced = mode in ("any", "tool")  # then toolChoice says the type, and twice would be refused
                one = {"disable_parallel_tool_use": True}
                self.additional["tool_choice"] = one if forced else {"type": "auto", **one}
                mode = mode if forced else None
            else:
                self.losses.drop("parallel_tool_calls", "this model cannot be kept from several calls at once")
        if choice is None or mode is None or (mode == "auto" and not models.forces_any(self.maker)):
            return
        config["toolChoice"] = {mode: {"name": choice.name} if mode == "tool" else {}}
