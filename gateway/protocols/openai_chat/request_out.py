"""Chat requests, IR → wire, for OpenAI and for everybody who speaks like it.

What providers differ in is in the dialect's quirks (providers/catalog.py):

- `max_completion_tokens`: the bound has OpenAI's newer name; every other server knows `max_tokens`;
- `developer`: the role exists; elsewhere it is `system`;
- `reasoning_content` / `reasoning_details`: thoughts of earlier turns are taken back in this field;
- `reasoning_effort`: every model takes the word; without it only those whose names say that they reason;
- `cache_control`: marks are taken;
- `nine_ids`: ids of calls are nine letters and digits;
- `random_seed`: the seed has Mistral's name;
- `one_system`: a single system message, at the beginning;
- `document_url`: documents are URLs, content is in a data URL (Mistral's);
- `top_k`, `thought_signature`, `reasoning_object`: the field is taken (the last is OpenRouter's `reasoning`);
- `no_seed`, `no_logprobs`, …: `no_` and a field that would be answered with an error.

Those of tools are in tools_out.py, what OpenAI's own models take in models.py.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import (
    Cache,
    Declined,
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.protocols import custom_tools, effort, media, tool_ids
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.openai_chat import continuing, models
from gateway.protocols.openai_chat.reasoning import details_of
from gateway.protocols.openai_chat.request_in import ORIGIN
from gateway.protocols.openai_chat.schemas import loosened
from gateway.protocols.openai_chat.tools_out import Tools, format_out, mark
from gateway.protocols.reading import compact
from gateway.protocols.seals import GEMINI
from gateway.protocols.systems import in_user_words

# What models without samplers take for granted, by the fields that they refuse.
_WARM: Final = {
    "temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False, "top_logprobs": 0,
    "logit_bias": {},
}  # fmt: skip
# Fields that OpenAI's two wires share under one name.
SHARED: Final = ("store", "safety_identifier", "prompt_cache_retention", "verbosity")
_STOPS: Final = 4
_TIERS: Final = ("auto", "default", "flex", "priority", "scale")


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    return _Writer(request, dialect).write()


class _Writer:
    def __init__(self, request: Request, dialect: Dialect) -> None:
        self.losses = Losses("OpenAI's chat wire")
        self.request = request = loosened(request, self.losses)
        self.dialect = dialect
        self.same = request.origin == ORIGIN
        self.openai = "max_completion_tokens" in dialect.quirks and "developer" in dialect.quirks
        self.tools = Tools(request, dialect, self.losses, self.marks)

    def write(self) -> Encoded:
        """The body."""
        request, quirks = self.request, self.dialect.quirks
        body: dict[str, Any] = {"model": self.dialect.model, "messages": self.messages()}
        self.tools.put(body)
        if not request.bare():
            self.scalars(body)
        if request.format is not None:
            own = (request.format.extras or {}) if self.same else {}
            body["response_format"] = format_out(request.format, own)
            if not self.same:
                self.losses.extras(request.format.extras, "response_format.")
        self.thinking(body)
        if request.stream:
            body["stream"] = True
            if not self.same and "no_stream_options" not in quirks:  # there, usage comes unasked
                body["stream_options"] = {"include_usage": True}
        self.extras(body)
        if request.continues:
            continuing.put(body, self.dialect)
        if "random_seed" in quirks and "seed" in body:
            body["random_seed"] = body.pop("seed")
        for name in [each for each in body if f"no_{each}" in quirks]:
            self.losses.drop(name, f"{self.dialect.provider} does not take it")
            del body[name]
        return Encoded(body, self.losses.all())

    def extras(self, body: dict[str, Any]) -> None:
        """What only this wire knows, and, for OpenAI itself, what its two wires share."""
        extras = dict(self.request.extras)
        body.update(extras.pop("item", {}) if self.same else {})
        if self.same or self.openai:
            for name in extras if self.same else SHARED:
                if name in extras:
                    body.setdefault(name, extras[name])
        if extras and not self.same:
            self.losses.extras({name: value for name, value in extras.items() if name not in body})

    def scalars(self, body: dict[str, Any]) -> None:
        """The fields that are written as they are."""
        request, losses = self.request, self.losses
        newest = "max_completion_tokens" in self.dialect.quirks
        most = "max_completion_tokens" if newest else "max_tokens"
        chilled = not self.same and models.cold(self.dialect.model)
        for name, value in (
            (most, request.max_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("seed", request.seed),
            ("presence_penalty", request.presence_penalty),
            ("frequency_penalty", request.frequency_penalty),
            ("logprobs", request.logprobs),
            ("top_logprobs", request.top_logprobs if self.same or request.logprobs is True else UNSET),
            ("logit_bias", request.logit_bias),
            ("n", request.n),
            ("user", request.user),
            ("metadata", request.metadata),
            ("prompt_cache_key", request.cache_key),
        ):
            if value is UNSET or (value is None and not self.same):
                continue
            if chilled and name in _WARM:
                if value != _WARM[name]:
                    losses.drop(name, "this model does not take it")
                continue
            if name == "metadata" and not self.same:
                losses.unless(value or None, "metadata", "it is kept only with stored answers")
                continue
            if name == "prompt_cache_key" and not self.same and not newest:
                losses.drop(name, f"{self.dialect.provider} is not known to take it")
                continue
            body[name] = value
        if request.top_k is not UNSET and request.top_k is not None:
            if self.same or "top_k" in self.dialect.quirks:
                body["top_k"] = request.top_k
            else:
                losses.drop("top_k", "OpenAI's chat wire has no such parameter")
        self.stops(body, newest)
        if request.parallel_tools is not UNSET and (self.same or "tools" in body):
            body["parallel_tool_calls"] = request.parallel_tools
        tier = request.service_tier
        if tier is not UNSET and (tier is not None or self.same):
            if self.same or tier in _TIERS:
                body["service_tier"] = tier
            else:
                losses.drop("service_tier", f"there is no tier {tier!r} here")

    def stops(self, body: dict[str, Any], newest: bool) -> None:
        """Stop sequences: OpenAI takes four, and its latest models none."""
        stop = self.request.stop
        if self.same and stop is not UNSET:
            body["stop"] = list(stop) if stop is not None else None
        elif isinstance(stop, tuple) and stop:
            if not models.stops(self.dialect.model):
                self.losses.drop("stop", "this model does not take it")
                return
            if newest and len(stop) > _STOPS:
                self.losses.drop("stop", f"the first {_STOPS} are all that is taken")
                stop = stop[:_STOPS]
            body["stop"] = list(stop)

    def thinking(self, body: dict[str, Any]) -> None:
        """The effort, as a word or as OpenRouter's object."""
        thinking = self.request.thinking
        if thinking is None or (self.same and not thinking.imposed):
            return
        quirks = self.dialect.quirks
        self.losses.extras(thinking.extras, "reasoning.")
        if "reasoning_object" in quirks:
            budget = thinking.budget
            if budget is not None and budget > 0:
                body["reasoning"] = {"max_tokens": budget}
            elif (word := effort.word_of(thinking)) is not None:
                body["reasoning"] = {"effort": word}
            else:
                body["reasoning"] = {"enabled": True}
            return
        word = models.word_of(thinking, self.dialect.model)
        if models.reasons(self.dialect.model) or "reasoning_effort" in quirks:
            if word is None:
                return  # it thinks as much as it likes
            taken = effort.nearest(word, models.efforts(self.dialect.model))
            if effort.is_off(thinking) and taken != "none":
                self.losses.drop("thinking", "this model always thinks")
            body["reasoning_effort"] = taken
        elif not effort.is_off(thinking) and (word is not None or thinking.enabled):
            self.losses.drop("thinking", "this model is not known to take an effort")

    def messages(self) -> list[dict[str, Any]]:
        """The messages; results of tools each stand for themselves here."""
        out: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        messages = self.request.messages
        if "one_system" in self.dialect.quirks:
            messages = in_user_words(messages, self.losses)
        for message in messages:
            if message.role == "tool":
                out.extend(self.result(part, moved) for part in message.parts if isinstance(part, ToolResult))
                continue
            if moved:
                out.append({"role": "user", "content": moved})
                moved = []
            written = self.message(message)
            if written is not None:
                out.append(written)
        if moved:
            out.append({"role": "user", "content": moved})
        return out

    def message(self, message: Message) -> dict[str, Any] | None:
        """One message that is no tool's."""
        role: str = message.role
        if role == "developer" and "developer" not in self.dialect.quirks:
            role = "system"
        out: dict[str, Any] = {"role": role}
        if message.name is not None:
            out["name"] = message.name
        if role == "assistant":
            self.assistant(message, out)
        else:
            out["content"] = self.content(message.parts)
        if message.extras:
            if self.same:
                out.update(message.extras)
            else:
                self.losses.extras(message.extras)
        if out.get("content") is None and out.keys() <= {"role", "name", "content"} and not self.same:
            return None
        return out

    def assistant(self, message: Message, out: dict[str, Any]) -> None:
        """Text, thoughts, refusal and calls of the model's own turn."""
        texts: list[Part] = []
        calls: list[dict[str, Any]] = []
        thoughts: list[Reasoning] = []
        for part in message.parts:
            match part:
                case ToolCall():
                    calls.append(self.call(part))
                case Reasoning():
                    thoughts.append(part)
                case Declined():
                    out["refusal"] = part.text
                case Opaque(raw={"audio": audio}) if self.same:
                    out["audio"] = audio
                case _:
                    texts.append(part)
        content = self.content(tuple(texts))
        out["content"] = content if content or not (calls or "refusal" in out) else None
        if thoughts:
            self.thoughts(thoughts, out)
        if calls:
            out["tool_calls"] = calls

    def thoughts(self, thoughts: list[Reasoning], out: dict[str, Any]) -> None:
        """Thoughts of earlier turns, for those who take them back."""
        quirks = self.dialect.quirks
        text = "".join(thought.text for thought in thoughts)
        taken = False
        if "reasoning_details" in quirks:
            details = details_of(thoughts)
            if details:
                out["reasoning_details"] = details
            elif text:
                out["reasoning"] = text
            taken = True
        elif text and "reasoning_content" in quirks:
            out["reasoning_content"] = text
            taken = True
        if not taken:
            self.losses.drop("reasoning", "thoughts of earlier turns are not taken back here")
        elif "reasoning_details" not in quirks and any(each.signature or each.redacted for each in thoughts):
            self.losses.drop("reasoning.signature", "there is no place for it here")

    def content(self, parts: tuple[Part, ...]) -> Any:
        """A string for one plain text, parts for everything else, None for nothing."""
        if not parts:
            return None
        if len(parts) == 1 and isinstance(parts[0], Text) and (parts[0].extras is None or not self.same):
            text = parts[0]
            if text.cache is None or not self.marks(text.cache):
                self.of_text(text)
                self.own(text.extras, {})
                return text.text
        written = [part for each in parts if (part := self.part(each)) is not None]
        return written or None

    def part(self, part: Part) -> dict[str, Any] | None:
        """One part of a user's, a system's or an assistant's content."""
        match part:
            case Text():
                out: dict[str, Any] = {"type": "text", "text": part.text}
                self.of_text(part)
                self.own(part.extras, out)
                cache = part.cache
            case Media():
                written = self.media(part)
                if written is None:
                    return None
                out, cache = written, part.cache
            case Declined():
                return {"type": "refusal", "refusal": part.text}
            case Reasoning():
                return {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]} if self.same else None
            case Opaque():
                if self.same:
                    return dict(part.raw)
                self.losses.drop(part.what, "only the client's own wire knows it")
                return None
            case _:
                return None
        if cache is not None and self.marks(cache):
            out["cache_control"] = mark(cache)
        return out

    def of_text(self, text: Text) -> None:
        """Reports what a text had elsewhere."""
        self.losses.unless(text.signature, "text.signature", "text is not signed here")
        self.losses.unless(text.citations or None, "citations", "citations of earlier turns are not sent back")

    def own(self, extras: dict[str, Any] | None, out: dict[str, Any]) -> None:
        """Fields of the client's own wire, back on it or reported."""
        if extras:
            if self.same:
                out.update(extras)
            else:
                self.losses.extras(extras)

    def marks(self, cache: Cache | None) -> bool:
        """Whether a cache mark may be written; one that may not is reported."""
        if cache is None:
            return False
        if self.same or "cache_control" in self.dialect.quirks:
            return True
        self.losses.drop("cache_control", "prompts are cached here without marks")
        return False

    def media(self, part: Media) -> dict[str, Any] | None:
        """An image, a sound, a file."""
        url = part.url or (media.to_data_url(part.mime, part.data) if part.data is not None else None)
        if part.kind == "video" and self.openai and not self.same:
            self.losses.drop("video", "OpenAI takes no video")
            return None
        if part.kind in ("image", "video") and url is not None:
            inner: dict[str, Any] = {"url": url}
            if part.detail is not None:
                inner["detail"] = part.detail
            return {"type": f"{part.kind}_url", f"{part.kind}_url": inner}
        if part.kind == "audio" and part.data is not None:
            word = (part.mime or "audio/wav").partition("/")[2].removeprefix("x-")
            return {
                "type": "input_audio",
                "input_audio": {"data": part.data, "format": {"mpeg": "mp3", "wave": "wav"}.get(word, word)},
            }
        text = part.text
        if text is None and part.data is not None and self.openai and not self.same:  # which takes PDF files only
            text = media.text_of(part.mime, part.data)
        if not self.same:
            media.report(part, self.losses, name=text is not None)
        if text is not None:
            self.own(part.extras, {})
            return {"type": "text", "text": text}
        if part.kind == "document" and url is not None and "document_url" in self.dialect.quirks:
            return {"type": "document_url", "document_url": url}
        if part.data is not None:
            name = part.name or f"document.{media.ending(part.mime) or 'bin'}"
            file: dict[str, Any] = {"filename": name, "file_data": url}
            out = {"type": "file", "file": file}
            self.own(part.extras, file)
            return out
        if part.file is not None and self.same:
            file = {"file_id": part.file}
            self.own(part.extras, file)
            return {"type": "file", "file": file}
        if part.file is not None:
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
        else:
            self.losses.drop(f"{part.kind}.url", f"{part.kind}s by URL cannot be said here")
        return None

    def id(self, id_: str) -> str:
        """A tool call's id as the provider takes it."""
        if "nine_ids" in self.dialect.quirks:
            return tool_ids.nine(id_)
        return id_ if self.same else tool_ids.fit(id_, 40)

    def call(self, call: ToolCall) -> dict[str, Any]:
        """A call of the model's."""
        custom = call.custom and self.tools.knows_custom()
        inner: dict[str, Any] = {"name": call.name}
        if custom:
            inner["input"] = call.arguments
        else:
            inner["arguments"] = compact(custom_tools.to_object(call.arguments)) if call.custom else call.arguments
        kind = "custom" if custom else "function"
        out: dict[str, Any] = {"id": self.id(call.id), "type": kind, kind: inner}
        if call.signature is not None:
            if call.signature.family == GEMINI and ("thought_signature" in self.dialect.quirks or self.same):
                out["extra_content"] = {"google": {"thought_signature": call.signature.value}}
            else:
                self.losses.drop("tool_call.signature", "there is no place for it here")
        self.own(call.extras, out)
        return out

    def result(self, result: ToolResult, moved: list[dict[str, Any]]) -> dict[str, Any]:
        """A tool's result; what is no text goes into a user message after all results."""
        texts: list[dict[str, Any]] = []
        for part in result.content:
            if isinstance(part, Text) or (isinstance(part, Media) and part.text is not None):
                texts.append({"type": "text", "text": part.text})
            elif (written := self.part(part)) is not None:
                moved.append(written)
                self.losses.drop("tool_result.media", "moved into a user message: results are text here")
        plain = len(texts) == 1 and not (self.same and result.content and result.content[0].__class__ is not Text)
        content: Any = texts[0]["text"] if plain else texts or ""
        out: dict[str, Any] = {"role": "tool", "tool_call_id": self.id(result.call), "content": content}
        if result.name is not None and self.same:
            out["name"] = result.name
        if result.error:
            if self.same:
                out["is_error"] = True
            else:
                self.losses.drop("tool_result.is_error", "there is no field for it here")
        if result.cache is not None and self.marks(result.cache):
            out["cache_control"] = mark(result.cache)
        self.own(result.extras, out)
        return out
