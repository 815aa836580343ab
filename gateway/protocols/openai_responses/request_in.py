"""Responses requests, wire → IR: https://platform.openai.com/docs/api-reference/responses/create.

`instructions` become a leading system message that knows where it came from. Fields without which another wire answers
the same (`store: false`, an `include` of encrypted thoughts, Codex's `client_metadata`) stand in `extras["item"]`,
which nobody reports; the others that only this wire knows (`previous_response_id`, `truncation: auto`, …) in `extras`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Extras, Message, Request, Text, Thinking
from gateway.protocols.contract import Head
from gateway.protocols.openai_responses.client_tools import ITEM
from gateway.protocols.openai_responses.items_in import Items
from gateway.protocols.openai_responses.tools_in import choice_of, format_of, tools_of
from gateway.protocols.reading import Fields, json_of, strings

ORIGIN: Final = "openai-responses"
INSTRUCTIONS: Final[Extras] = {ITEM: "instructions"}  # of the message that stood in this field, a plain text
INPUT: Final[Extras] = {ITEM: "input"}
ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"
# Values that change nothing in an answer that is kept nowhere.
_HARMLESS: Final[dict[str, tuple[Any, ...]]] = {
    "store": (False, None),
    "truncation": ("disabled", None),
    "background": (False, None),
}

# Fields that are one value: the request's name for it, and how it is read.
_SCALARS: Final[dict[str, tuple[str, Callable[[Fields, str], Any]]]] = {
    "parallel_tool_calls": ("parallel_tools", Fields.maybe_flag),
    "max_output_tokens": ("max_tokens", Fields.maybe_whole),
    "temperature": ("temperature", Fields.maybe_number),
    "top_p": ("top_p", Fields.maybe_number),
    "top_logprobs": ("top_logprobs", Fields.maybe_whole),
    "user": ("user", Fields.maybe_text),
    "service_tier": ("service_tier", Fields.maybe_text),
    "metadata": ("metadata", Fields.maybe_object),
    "prompt_cache_key": ("cache_key", Fields.maybe_text),
}


def decode_request(head: Head) -> Request:
    """The request. Raises `Malformed` naming the field that is wrong."""
    fields = Fields(json_of(head.body), "")
    fields.some("model")
    fields.some("stream")
    fields.some(ITEM)  # the gateway's own word
    item: Extras = {}
    instructions = fields.text("instructions")
    items = Items()
    if instructions is not None:
        items.messages.append(Message("system", (Text(instructions),), None, INSTRUCTIONS))
    given = fields.some("input")
    if isinstance(given, str):
        items.messages.append(Message("user", (Text(given),), None, INPUT))
    else:
        fields.left["input"] = given
        for at, value in enumerate(fields.items("input")):
            items.read(value, f"input[{at}]")
        items.close()
    tools = tools_of(fields.items("tools"), "tools") if "tools" in fields.left else []
    if items.tools:
        known = {getattr(tool, "name", None) for tool in tools}
        tools += [tool for tool in items.tools if getattr(tool, "name", None) not in known]
    text = fields.inner("text")
    logprobs = _included(fields, item)
    return Request(
        origin=ORIGIN,
        model=head.model,
        messages=tuple(items.messages),
        tools=tuple(tools),
        tool_choice=choice_of(fields.some("tool_choice")) if "tool_choice" in fields.left else None,
        format=format_of(text.inner("format")) if text is not None else None,
        thinking=_thinking(fields) if "reasoning" in fields.left else None,
        logprobs=True if logprobs else UNSET,
        **{_SCALARS[name][0]: _SCALARS[name][1](fields, name) for name in fields.left.keys() & _SCALARS.keys()},
        stream=head.stream,
        stream_usage=True,
        extras=_extras(fields, text, item),
    )


def _extras(fields: Fields, text: Fields | None, item: Extras) -> Extras:
    """What is left of the request and of its `text`; what nobody would miss is set apart."""
    if not fields.left and text is None and not item:
        return fields.left
    for name in ("client_metadata", "stream_options"):
        if name in fields.left:
            item[name] = fields.some(name)
    for name, values in _HARMLESS.items():
        if name in fields.left and any(fields.left[name] is value or fields.left[name] == value for value in values):
            item[name] = fields.some(name)
    extras: Extras = fields.left
    if text is not None and "verbosity" in text.left:
        extras["verbosity"] = text.some("verbosity")
    if text is not None and text.left:
        extras["text"] = text.left
    if item:
        extras[ITEM] = item
    return extras


def _included(fields: Fields, item: Extras) -> bool:
    """Reads `include`; whether it asks for log probabilities."""
    if "include" not in fields.left:
        return False
    value = fields.some("include")
    item["include"] = value
    names = strings(value, "include")
    other = [name for name in names if name not in (ENCRYPTED, LOGPROBS)]
    if other:
        fields.left["include"] = other
    return LOGPROBS in names


def _thinking(fields: Fields) -> Thinking | None:
    inner = fields.inner("reasoning")
    if inner is None:
        return None
    effort, summary = inner.text("effort"), inner.text("summary")
    extras = inner.extras()
    if effort is None and summary is None and extras is None:
        return None
    return Thinking(effort=effort, summary=summary, extras=extras)
