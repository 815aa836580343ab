"""Responses requests, IR → wire, for OpenAI and for everybody who speaks this wire.

Nothing is kept by the upstream (`store: false`) unless the client said so, and encrypted thoughts are asked for where
the model thinks, so that every turn can be said again from the client's own history. What the dialect's quirks mean
here: `reasoning_effort`: every model takes an effort; `no_instructions`: they are a system message instead; `no_` and
another field: it would be answered with an error.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Message, Request, Text
from gateway.protocols import effort, tool_ids
from gateway.protocols.contract import Dialect, Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.openai_chat.models import cold, efforts, reasons, word_of
from gateway.protocols.openai_chat.request_in import ORIGIN as CHAT
from gateway.protocols.openai_chat.request_out import SHARED
from gateway.protocols.openai_chat.schemas import loosened
from gateway.protocols.openai_responses.client_tools import ITEM
from gateway.protocols.openai_responses.items_out import Writer
from gateway.protocols.openai_responses.request_in import ENCRYPTED, LOGPROBS, ORIGIN
from gateway.protocols.openai_responses.tools_out import choice_of, format_of, tools_of

WIRE: Final = "OpenAI's responses wire"
_TIERS: Final = ("auto", "default", "flex", "priority", "scale")
_LEAST: Final = 16  # of max_output_tokens; less is refused
_LONGEST: Final = 64  # of user and prompt_cache_key; more is refused


def encode_request(request: Request, dialect: Dialect) -> Encoded:
    """The body for an upstream, and what it lost."""
    same = request.origin == ORIGIN
    losses = Losses(WIRE)
    request = loosened(request, losses)
    thinks = same or reasons(dialect.model) or "reasoning_effort" in dialect.quirks
    writer = Writer(losses, same=same, thinks=thinks, files=same or request.origin == CHAT)
    body: dict[str, Any] = {"model": dialect.model}
    messages = request.messages
    first = messages[0] if messages and "no_instructions" not in dialect.quirks else None
    if first is not None and (text := _instructions(first, same=same)) is not None:
        body["instructions"] = text.text
        if text.cache is not None:
            losses.drop("cache_control", "prompts are cached here without marks")
        messages = messages[1:]
    for message in messages:
        writer.write(message)
    alone = messages[0] if same and len(messages) == 1 else None
    plain = alone is not None and alone.extras and alone.extras.get(ITEM) == "input"
    body["input"] = writer.out[0]["content"] if plain and writer.out else writer.out
    tools = tools_of(request.tools, losses, same=same)
    if tools:
        body["tools"] = tools
    if request.tool_choice is not None:
        choice = choice_of(request.tool_choice, request, losses, same=same)
        if choice is not None:
            body["tool_choice"] = choice
    if not request.bare():
        _scalars(request, dialect, body, losses, same=same)
    _thinking(request, dialect, body, losses, same=same)
    if request.format is not None:
        body["text"] = {"format": format_of(request.format, losses, same=same)}
    if request.stream:
        body["stream"] = True
    _extras(request, dialect, body, losses, same=same)
    for name in [each for each in body if f"no_{each}" in dialect.quirks]:
        losses.drop(name, f"{dialect.provider} does not take it")
        del body[name]
    return Encoded(body, losses.all())


def _instructions(first: Message, *, same: bool) -> Text | None:
    """The text of a leading system message that is nothing but a text."""
    if first.role not in ("system", "developer") or len(first.parts) != 1 or first.name is not None:
        return None
    part = first.parts[0]
    if not isinstance(part, Text) or part.extras or part.signature is not None:
        return None
    if same:
        return part if first.extras and first.extras.get(ITEM) == "instructions" else None
    return part if not first.extras else None


def _scalars(request: Request, dialect: Dialect, body: dict[str, Any], losses: Losses, *, same: bool) -> None:
    """The fields that are written as they are, and those that this wire lacks."""
    chilled = not same and cold(dialect.model)
    for name, value in (
        ("max_output_tokens", request.max_tokens),
        ("temperature", request.temperature),
        ("top_p", request.top_p),
        ("top_logprobs", request.top_logprobs),
        ("user", request.user),
        ("metadata", request.metadata),
        ("prompt_cache_key", request.cache_key),
    ):
        if value is UNSET or (value is None and not same):
            continue
        if same:
            body[name] = value
            continue
        if chilled and name in ("temperature", "top_p"):
            if value != 1:
                losses.drop(name, "this model does not take it")
            continue
        if isinstance(value, dict) and not all(isinstance(each, str) for each in value.values()):
            losses.drop(name, "its values are strings here")
            continue
        if name == "max_output_tokens" and isinstance(value, int) and value < _LEAST:
            losses.drop("max_tokens", f"raised to {_LEAST}, the least that is taken here")
            value = _LEAST
        if isinstance(value, str) and len(value) > _LONGEST:
            losses.drop(name, f"shortened to {_LONGEST} characters")
            value = tool_ids.fit(value)
        body[name] = value
    if request.parallel_tools is not UNSET and (same or (request.tools and request.parallel_tools is not None)):
        body["parallel_tool_calls"] = request.parallel_tools
    tier = request.service_tier
    if tier is not UNSET and (tier is not None or same):
        if same or tier in _TIERS:
            body["service_tier"] = tier
        else:
            losses.drop("service_tier", f"there is no tier {tier!r} here")
    lacking: tuple[tuple[str, Any, Any], ...] = (
        ("top_k", request.top_k, None),
        ("stop", request.stop, ()),
        ("seed", request.seed, None),
        ("presence_penalty", request.presence_penalty, 0),
        ("frequency_penalty", request.frequency_penalty, 0),
        ("logit_bias", request.logit_bias, {}),
        ("n", request.n, 1),
    )
    for name, given, nothing in lacking:
        if given != nothing:
            losses.unless(given, name)


def _thinking(request: Request, dialect: Dialect, body: dict[str, Any], losses: Losses, *, same: bool) -> None:
    """`reasoning`. A readable account is asked for where the client's wire shows thoughts without being asked."""
    thinking = request.thinking
    if thinking is None:
        return
    if same and not thinking.imposed:
        said = (("effort", thinking.effort), ("summary", thinking.summary))
        body["reasoning"] = {name: value for name, value in said if value is not None} | (thinking.extras or {})
        return
    if not reasons(dialect.model) and "reasoning_effort" not in dialect.quirks:
        if not effort.is_off(thinking):
            losses.drop("thinking", "this model is not known to take an effort")
        return
    out: dict[str, Any] = {}
    word = word_of(thinking, dialect.model)
    if word is not None:
        out["effort"] = effort.nearest(word, efforts(dialect.model))
    summary = thinking.summary
    if summary is None and (thinking.enabled or thinking.adaptive or (thinking.budget or 0) > 0):
        summary = "auto"
    if summary and not effort.is_off(thinking):
        out["summary"] = summary
    if out:
        body["reasoning"] = out


def _extras(request: Request, dialect: Dialect, body: dict[str, Any], losses: Losses, *, same: bool) -> None:
    """What only this wire knows, what it shares with the chat wire, and what it is told of its own accord."""
    extras = dict(request.extras)
    item = extras.pop(ITEM, None)
    if same:
        verbosity = extras.pop("verbosity", UNSET)
        text = extras.pop("text", None)
        if verbosity is not UNSET or text:
            more = {} if verbosity is UNSET else {"verbosity": verbosity}
            body["text"] = {**body.get("text", {}), **more, **(text if isinstance(text, dict) else {})}
        if isinstance(item, dict):
            body.update(item)
        for name, value in extras.items():
            body.setdefault(name, value)
        return
    if request.origin == CHAT:
        for name in SHARED:
            if name in extras and name != "verbosity":
                body[name] = extras.pop(name)
        if isinstance(extras.get("verbosity"), str):
            body["text"] = {**body.get("text", {}), "verbosity": extras.pop("verbosity")}
    losses.extras(extras)
    body.setdefault("store", False)
    include = [ENCRYPTED] if reasons(dialect.model) else []
    if request.logprobs is True:
        include.append(LOGPROBS)
    if include:
        body["include"] = include
