"""Requests, IR → wire. The model is in the path, so the body has none.

Turns of one role that follow one another become one content, so that the results of parallel calls arrive together.
Quirks (providers/catalog.py): `no_call_ids`: calls and results have no ids; `no_` and a field of `generationConfig`
that would be answered with an error.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from gateway.ir.chat import (
    Declined,
    Format,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Seal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.protocols import custom_tools, media, systems
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.gemini.parts import STAND_INS, call_out, inline, response_out, seal_of, text_out
from gateway.protocols.gemini.schemas import to_json, to_openapi
from gateway.protocols.gemini.shapes import ORIGIN, TOGETHER, Talking, put_all
from gateway.protocols.gemini.thinking import generation, signs, thinking_out
from gateway.protocols.losses import Losses
from gateway.protocols.seals import GEMINI, is_of_call

_STOPS: Final = 5
_NOTHING: Final = "(no content)"
_TIERS: Final = {"default": "standard", "flex": "flex", "priority": "priority"}
_GUESSES: Final = {"image": "image/jpeg", "document": "application/pdf", "audio": "audio/mpeg", "video": "video/mp4"}
# https://ai.google.dev/gemini-api/docs/audio#supported-formats
_MIMES: Final = {"audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.request = request
        self.dialect = dialect
        self.model = dialect.model
        self.age = generation(dialect.model)
        self.losses = Losses("Gemini's wire")
        self.same = request.origin == ORIGIN
        self.ids = Talking()
        self.names: dict[str, str] = {}
        self.bare: set[str] = set()  # ids of calls that were written without one
        self.answer_tool: str | None = None

    def write(self) -> Encoded:
        """The body."""
        request = self.request
        body: dict[str, Any] = {}
        leading, rest = systems.split(systems.in_user_words(request.messages, self.losses))
        system = [part for message in leading for each in message.parts for part in self.part(each)]
        contents = self.contents(rest)
        if not contents and system:
            contents, system = [{"role": "user", "parts": system}], []
            self.losses.drop("messages.system", "Gemini wants a user's words; the system's became them")
        if system:
            body["systemInstruction"] = {"parts": system}
        body["contents"] = contents
        tools = self.tools()
        settings: dict[str, Any] = {}
        choice = self.choice(request.tool_choice) if request.tool_choice is not None else None
        choice = self.format(settings, tools, choice)
        if tools:
            body["tools"] = tools
        if choice is not None and (tools or self.same):
            body["toolConfig"] = {"functionCallingConfig": choice}
        if not request.bare():
            self.scalars(settings)
        thinking = thinking_out(request, self.model, self.same, self.losses)
        if thinking is not None:
            settings["thinkingConfig"] = thinking
        if settings:
            body["generationConfig"] = settings
        self.rest(body)
        for name in [each for each in settings if f"no_{each}" in self.dialect.quirks]:
            self.losses.drop(name, f"{self.dialect.provider} does not take it")
            del settings[name]
        return Encoded(body, self.losses.all(), self.answer_tool)

    def scalars(self, settings: dict[str, Any]) -> None:
        """The fields of `generationConfig` that are written as they are."""
        request = self.request
        rows: tuple[tuple[str, Any], ...] = (
            ("maxOutputTokens", request.max_tokens),
            ("temperature", request.temperature),
            ("topP", request.top_p),
            ("topK", self.top_k()),
            ("candidateCount", request.n),
            ("stopSequences", self.stops()),
            ("seed", request.seed),
            ("presencePenalty", request.presence_penalty),
            ("frequencyPenalty", request.frequency_penalty),
            ("responseLogprobs", request.logprobs),
            ("logprobs", request.top_logprobs if self.same or request.logprobs is True else UNSET),
        )
        settings.update({n: v for n, v in rows if v is not UNSET and (v is not None or self.same)})

    def top_k(self) -> Any:
        if self.request.top_k == 0 and not self.same:
            self.losses.drop("top_k", "it is 1 at least here; 0, which is off elsewhere, cannot be said")
            return UNSET
        return self.request.top_k

    def stops(self) -> Any:
        stop = self.request.stop
        if stop is UNSET or stop is None:
            return stop
        if len(stop) > _STOPS and not self.same:
            self.losses.drop("stop", f"Gemini stops at {_STOPS} sequences at most; the first ones are sent")
            stop = stop[:_STOPS]
        return list(stop)

    def rest(self, body: dict[str, Any]) -> None:
        """What Gemini has no field for, and what only Gemini has."""
        if not self.request.bare():
            self.others(body)
        if self.same:
            put_all(body, self.request.extras)
        else:
            self.losses.extras(self.request.extras)

    def others(self, body: dict[str, Any]) -> None:
        """The tier, and the parameters that Gemini does not have."""
        request, losses = self.request, self.losses
        tier = request.service_tier
        if tier is not UNSET and (tier is not None or self.same):
            word = _TIERS.get(tier or "", tier if self.same else None)
            if word is not None or self.same:
                body["serviceTier"] = word
            elif tier != "auto":
                losses.drop("service_tier", f"there is no tier {tier!r} here")
        losses.unless(request.logit_bias or None, "logit_bias")
        losses.unless(request.user, "user")
        losses.unless(request.metadata or None, "metadata")
        losses.unless(request.cache_key, "prompt_cache_key", "prompts are cached here without keys")
        if request.parallel_tools is False and request.tools:
            losses.drop("parallel_tool_calls", "Gemini cannot be told to make one call at a time")

    # Contents.

    def contents(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """The turns."""
        out: list[dict[str, Any]] = []
        last = ""
        for message in messages:
            role = "model" if message.role == "assistant" else "user"
            if role == "model" and last != "assistant":
                self.ids.turn()
            parts = self.turn(message)
            if message.name is not None:
                self.losses.drop("messages.name", "participants have no names here")
            if message.extras and not self.same:
                self.losses.extras(message.extras)
            if not parts and not self.same:
                continue
            extras = dict(message.extras or {})
            together = extras.pop("wrapper", None) == TOGETHER
            if out and out[-1]["role"] == role and (not self.same or together):
                out[-1]["parts"].extend(parts)
            else:
                out.append({"role": role, "parts": parts})
            if self.same:
                put_all(out[-1], extras)
            last = message.role
        if out and out[0]["role"] == "model" and not self.same:
            self.losses.drop("messages", f"a conversation begins with a user's turn: {_NOTHING!r} was put before it")
            out.insert(0, {"role": "user", "parts": [text_out(_NOTHING)]})
        if signs(self.model):
            _stand_in(out)
        return out

    def turn(self, message: Message) -> list[dict[str, Any]]:
        """The parts of a message. A bare seal of Gemini's goes to the part that it signed: the next one."""
        out: list[dict[str, Any]] = []
        seal: Seal | None = None
        for part in message.parts:
            if isinstance(part, Reasoning) and not self.same:
                found = self.thought(part, out)
                if found is not None and seal is not None:
                    out.append(text_out("", Seal(GEMINI, seal.value)))
                seal = found or seal
                continue
            if seal is not None and isinstance(part, ToolCall if is_of_call(seal) else Text | ToolCall):
                if part.signature is None:
                    part = msgspec.structs.replace(part, signature=Seal(GEMINI, seal.value))
                seal = None
            out.extend(self.part(part))
        if seal is not None:
            out.append(text_out("", Seal(GEMINI, seal.value)))
        return out

    def thought(self, part: Reasoning, out: list[dict[str, Any]]) -> Seal | None:
        """A thought of an earlier turn: written where Gemini sealed it; its seal alone where it has no text."""
        seal = seal_of(part)
        if seal is None or seal.family != GEMINI:
            self.losses.drop("reasoning", "thoughts are taken back only with a seal of Gemini's")
            return None
        if not part.text or is_of_call(seal):
            return seal
        out.append(text_out(part.text, seal, thought=True))
        return None

    def part(self, part: Part) -> list[dict[str, Any]]:
        """One part of a content."""
        cache = getattr(part, "cache", None)
        if cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        match part:
            case Text():
                seal = self.own_seal(part.signature)
                if not part.text and seal is None and not self.same:
                    return []
                self.losses.unless(part.citations or None, "citations", "they are not taken back here")
                return [self.with_extras(text_out(part.text, seal), part.extras)]
            case Reasoning():
                seal = self.own_seal(seal_of(part))
                if not part.text and seal is None and (part.signature or part.redacted):
                    return []
                return [self.with_extras(text_out(part.text, seal, thought=True), part.extras)]
            case Media():
                written = self.media(part)
                return [] if written is None else [written]
            case ToolCall():
                return [self.call(part)]
            case ToolResult():
                return self.result(part)
            case Declined():
                return [text_out(part.text)] if part.text else []
            case Opaque():
                if self.same and isinstance(part.raw, dict):
                    return [part.raw]
                self.losses.drop(part.what, "only the client's own wire knows it")
        return []

    def own_seal(self, seal: Seal | None) -> Seal | None:
        """The seal where it is Gemini's; another is reported."""
        if seal is None or seal.family == GEMINI:
            return seal
        self.losses.drop("signature", "only Gemini's own signatures can be read here")
        return None

    def with_extras(self, out: dict[str, Any], extras: dict[str, Any] | None) -> dict[str, Any]:
        """Fields of the client's own wire, back on it or reported."""
        if extras:
            if self.same:
                put_all(out, extras)
            else:
                self.losses.extras(extras)
        return out

    def media(self, part: Media) -> dict[str, Any] | None:
        """An image, a sound, a document, a video."""
        if part.detail not in (None, "auto"):
            self.losses.drop(f"{part.kind}.detail", "there is no resolution of single images here")
        if part.citations:
            self.losses.drop(f"{part.kind}.citations", "documents are not cited here")
        if part.name is not None and not self.same:
            self.losses.drop(f"{part.kind}.name", "content has no name here")
        if part.text is not None:
            out = inline(part.mime or "text/plain", media.base64_of(part.text))
        elif part.data is not None:
            mime = media.sniffed(part.mime, part.data) or _GUESSES[part.kind]
            out = inline(mime if self.same else _MIMES.get(mime, mime), part.data)
        else:
            linked = self.linked(part)
            if linked is None:
                return None
            out = linked
        if self.same and part.name is not None:
            next(iter(out.values()))["displayName"] = part.name
        return self.with_extras(out, part.extras)

    def linked(self, part: Media) -> dict[str, Any] | None:
        """Content by URL: https://ai.google.dev/gemini-api/docs/file-input-methods (models from 2.5 on)."""
        if self.same:
            return {"fileData": {**({"mimeType": part.mime} if part.mime else {}), "fileUri": part.url or part.file}}
        if part.file is not None or part.url is None:
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
            return None
        if self.age < 2.5 and "youtube.com/" not in part.url and not part.url.startswith("gs://"):
            self.losses.drop(f"{part.kind}.url", "this model reads no URLs")
            return None
        mime = part.mime or media.by_name(part.url) or _GUESSES[part.kind]
        return {"fileData": {"mimeType": _MIMES.get(mime, mime), "fileUri": part.url}}

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call. An id that the decoder made up for the lack of one is not written."""
        made = self.ids.made(call.name)
        self.ids.call(call.id, call.name, call.arguments)
        self.names[call.id] = call.name
        if (self.same and call.id == made) or "no_call_ids" in self.dialect.quirks:
            self.bare.add(call.id)
        id_ = None if call.id in self.bare else call.id
        out, whole = call_out(call, id_, self.own_seal(call.signature))
        if not whole:
            self.losses.drop("tool_call.arguments", "they are no JSON object; they stand in `input`")
        return self.with_extras(out, call.extras)

    def result(self, result: ToolResult) -> list[dict[str, Any]]:
        """A function's result, and after it what models before 3 do not take inside."""
        name = result.name or self.names.get(result.call) or result.call
        made = self.same and result.call == self.ids.unmatched(name)
        inner: dict[str, Any] = {}
        if not made and result.call not in self.bare and "no_call_ids" not in self.dialect.quirks:
            inner["id"] = result.call
        inner["name"] = name
        texts: list[str] = []
        parts: list[dict[str, Any]] = []
        for part in result.content:
            if isinstance(part, Text):
                texts.append(part.text)
                if part.cache is not None:
                    self.losses.drop("cache_control", "prompts are cached here without marks")
                if not self.same:
                    self.losses.extras(part.extras)
            elif isinstance(part, Media) and part.text is not None:
                texts.append(part.text)
            else:
                parts.extend(self.part(part))
        extras = dict(result.extras or {})
        wrapper = extras.pop("wrapper", None)
        inner["response"] = response_out(name, "\n".join(texts), result.error, wrapper)
        if result.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        out: dict[str, Any] = {"functionResponse": inner}
        within = [part for part in parts if self.same or (self.age >= 3 and "inlineData" in part)]
        if within:
            inner["parts"] = within
        beside = [part for part in parts if part not in within]
        if beside:
            self.losses.drop("tool_result.media", "it stands beside the result: this model takes it nowhere else")
        return [self.with_extras(out, extras), *beside]

    # Tools.

    def tools(self) -> list[dict[str, Any]]:
        """Functions in one entry, each hosted tool in its own."""
        functions: list[dict[str, Any]] = []
        out: list[dict[str, Any]] = []
        for tool in self.request.tools:
            if isinstance(tool, Tool):
                if not functions:
                    out.append({"functionDeclarations": functions})
                functions.append(self.function(tool))
            elif self.same:
                out.append(dict(tool.raw))
            else:
                self.losses.drop(f"tools.{tool.what}", "the tool is run by another provider")
        return out

    def function(self, tool: Tool) -> dict[str, Any]:
        """One function."""
        out: dict[str, Any] = {"name": tool.name}
        description = custom_tools.described(tool, self.losses) if tool.custom else tool.description
        if description is not None:
            out["description"] = description
        schema = custom_tools.SCHEMA if tool.custom else tool.schema
        extras = dict(tool.extras or {})
        wrapper = extras.pop("wrapper", None)
        if self.same and isinstance(wrapper, dict):
            out.update(wrapper)
        elif schema is not None:
            field = f"tools.{tool.name}"
            if self.age >= 2.5:
                out["parametersJsonSchema"] = to_json(schema, self.losses, field)
            elif (written := to_openapi(schema, self.losses, field)).get("type") != "OBJECT" or "properties" in written:
                out["parameters"] = written
        if tool.strict and not self.same:
            self.losses.drop("tools.strict", "Gemini does not promise that calls keep to their schema")
        if tool.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        return self.with_extras(out, extras)

    def choice(self, choice: ToolChoice) -> dict[str, Any] | None:
        """Which function is to be called."""
        if choice.raw is not None:
            if self.same:
                return dict(choice.raw)
            self.losses.drop("tool_choice", "only the client's own wire knows this choice")
            return None
        match choice.mode:
            case "tool":
                return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
            case "required":
                return {"mode": "ANY", **({"allowedFunctionNames": list(choice.allowed)} if choice.allowed else {})}
            case "none":
                return {"mode": "NONE"}
        if choice.allowed:
            return {"mode": "VALIDATED", "allowedFunctionNames": list(choice.allowed)}
        return {"mode": "AUTO"}

    # The form of the answer.

    def format(
        self, settings: dict[str, Any], tools: list[dict[str, Any]], choice: dict[str, Any] | None
    ) -> dict[str, Any] | None:
        """The answer's MIME type and schema; the choice of function that goes with them.

        Models before 3 refuse functions beside JSON (https://ai.google.dev/gemini-api/docs/structured-output): there
        a function that takes the answer stands for it, and the model must call that one or another.
        """
        form = self.request.format
        if form is None:
            return choice
        mode = choice.get("mode") if choice is not None else None
        beside = bool(tools) and "functionDeclarations" in tools[0] and self.age < 3 and not self.same
        if beside and form.kind != "text" and mode == "NONE":
            self.losses.drop("tools", "none may be called, and this model refuses tools beside JSON")
            tools.clear()
            beside = False
            choice = None
        if form.kind == "text":
            if self.same:
                settings["responseMimeType"] = "text/plain"
        elif beside and (form.kind == "json_object" or mode == "ANY"):
            self.losses.drop("response_format", "this model refuses JSON beside tools")
        elif beside:
            taken = {each["name"] for each in tools[0]["functionDeclarations"]}
            name = next(name for name in ("answer", *(f"answer_{at}" for at in range(2, 999))) if name not in taken)
            description = form.description or "Gives the final answer, which must be given by calling this function."
            tool = Tool(name=name, description=description, schema=form.schema)
            tools[0]["functionDeclarations"].append(self.function(tool))
            self.answer_tool = name
            choice = {"mode": "ANY"}
        else:
            settings["responseMimeType"] = "application/json"
            if form.kind == "json_schema" and form.schema is not None:
                self.schema(settings, form)
        if not self.same:
            self.losses.extras(form.extras, "response_format.")
        return choice

    def schema(self, settings: dict[str, Any], form: Format) -> None:
        """The schema; its name and description stand in it."""
        schema = form.schema
        if self.same and form.extras and isinstance(form.extras.get("wrapper"), dict):
            settings.update(form.extras["wrapper"])
            return
        if isinstance(schema, dict):
            words = {"title": form.name, "description": form.description}
            schema = {**{name: word for name, word in words.items() if word is not None}, **schema}
        if self.age >= 2.5:
            settings["responseJsonSchema"] = to_json(schema, self.losses, "response_format")
        else:
            settings["responseSchema"] = to_openapi(schema, self.losses, "response_format")


def _stand_in(contents: list[dict[str, Any]]) -> None:
    """Gives the first call of every step of the current turn a signature that the API does not check, where it has
    none: the calls of another model, say. The current turn begins after the last content that is a user's own."""
    start = 0
    for at, content in enumerate(contents):
        if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"]):
            start = at
    for content in contents[start:]:
        if content["role"] == "model":
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is not None:
                first.setdefault("thoughtSignature", STAND_INS[0])
