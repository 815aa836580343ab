"""What whole answers and streams share: the response object, its ids, its seals.

Source of facts: https://platform.openai.com/docs/api-reference/responses/object.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from gateway.ir.chat import Finish, Media, Opaque, Reasoning, Request, Seal
from gateway.ir.usage import Usage
from gateway.protocols import tool_ids
from gateway.protocols.losses import Losses
from gateway.protocols.openai_responses.client_tools import ITEM, mark_of
from gateway.protocols.openai_responses.finishes import status_of, usage_out
from gateway.protocols.openai_responses.items_in import OF_TEXT, REDACTED
from gateway.protocols.openai_responses.request_in import ORIGIN
from gateway.protocols.openai_responses.tools_out import choice_of, format_of, tools_of
from gateway.protocols.seals import OPENAI, of_call, wrap

# Items that only this wire has, as hosted tools make them.
_HOSTED: Final = frozenset(
    (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "image_generation_call",
        "mcp_call",
        "mcp_list_tools",
        "mcp_approval_request",
        "tool_search_call",
        "tool_search_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "program",
        "program_output",
    )
)


def hosted(part: Opaque) -> bool:
    """Whether a block that only its own wire knows is of this one."""
    raw = part.raw
    if not isinstance(raw, dict):
        return False
    kind = raw.get("type")
    return isinstance(kind, str) and (kind in _HOSTED or (kind == "compaction" and "encrypted_content" in raw))


def response_id(id_: str, salt: str) -> str:
    """The id of a response, from the upstream's or, where it has none, from `salt`."""
    return id_ if id_.startswith("resp_") else f"resp_{id_ or tool_ids.made(salt, 0, '').removeprefix('call_')}"


def item_id(prefix: str, response: str, nth: int) -> str:
    """The id of an output item: what it is, the response's, its place; never longer than is taken back."""
    return tool_ids.fit(f"{prefix}_{response.removeprefix('resp_')}_{nth}")


_UNSAID: Final = frozenset((ITEM,))  # of the extras, what a response does not repeat


def response_of(request: Request, *, id_: str, model: str, created: int, tier: str | None) -> dict[str, Any]:
    """A response in progress: what the request said, and nothing of the answer."""
    asks = request.tools or request.tool_choice or request.thinking or request.format
    plain = not asks and request.extras.keys() <= _UNSAID and request.bare() and not _instructs(request)
    echo = _SILENT if plain else _echo(request)
    return {
        **echo,
        "id": id_,
        "created_at": created,
        "model": model,
        "service_tier": tier or echo["service_tier"],
    }


def _instructs(request: Request) -> bool:
    """Whether its first message is the client's `instructions`."""
    first = request.messages[0] if request.messages else None
    return first is not None and first.extras is not None and first.extras.get(ITEM) == "instructions"


def _echo(request: Request) -> dict[str, Any]:
    """What a response says of its request."""
    ours = request.origin == ORIGIN
    nothing = Losses("")
    extras = request.extras
    thinking, choice = request.thinking, request.tool_choice
    text: dict[str, Any] = {
        "format": format_of(request.format, nothing, same=ours) if request.format else {"type": "text"}
    }
    if "verbosity" in extras:
        text["verbosity"] = extras["verbosity"]
    instructions = None
    if _instructs(request) and request.messages[0].parts:
        instructions = getattr(request.messages[0].parts[0], "text", None)
    return {
        "id": "",
        "object": "response",
        "created_at": 0,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": instructions,
        "max_output_tokens": _said(request.max_tokens),
        "max_tool_calls": extras.get("max_tool_calls"),
        "model": "",
        "output": [],
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": extras.get("previous_response_id"),
        "prompt_cache_key": _said(request.cache_key),
        "reasoning": {
            "effort": thinking.effort if thinking else None,
            "summary": thinking.summary if thinking else None,
        },
        "safety_identifier": extras.get("safety_identifier"),
        "service_tier": _said(request.service_tier) or "default",
        "store": False,
        "temperature": 1.0 if _unsaid(request.temperature) else request.temperature,
        "text": text,
        "tool_choice": (choice_of(choice, request, nothing, same=ours) if choice else None) or "auto",
        "tools": tools_of(request.tools, nothing, same=ours),
        "top_logprobs": _said(request.top_logprobs) or 0,
        "top_p": 1.0 if _unsaid(request.top_p) else request.top_p,
        "truncation": extras.get("truncation") or "disabled",
        "usage": None,
        "user": _said(request.user),
        "metadata": _said(request.metadata) or {},
    }


def _said(value: Any) -> Any:
    return None if value is UNSET else value


def _unsaid(value: Any) -> bool:
    return not isinstance(value, int | float)


_SILENT: Final = _echo(Request(origin="", model="", messages=()))  # of a request that says nothing but what to answer


def ended(
    body: dict[str, Any], output: list[dict[str, Any]], finish: Finish, usage: Usage | None, *, declined: bool
) -> dict[str, Any]:
    """The response when its answer is complete."""
    status, details = status_of(finish, declined)
    if status == "incomplete" and output and "status" in output[-1]:
        output = [*output[:-1], {**output[-1], "status": status}]
    return {
        **body,
        "status": status,
        "incomplete_details": details,
        "completed_at": body["created_at"] if status == "completed" else None,
        "output": output,
        "usage": usage_out(usage or Usage()),
    }


def sealed(seal: Seal, item: str) -> str:
    """A seal as `encrypted_content` of an item: OpenAI's own as it is where the item bears its id, others wrapped."""
    if seal.family == OPENAI and seal.id in (None, item):
        return seal.value
    id_ = seal.id if seal.id is not None and "~" not in seal.id else None
    return wrap(Seal(seal.family, seal.value, id_), "")


def thought_id(thought: Reasoning, otherwise: str) -> str:
    """The id of a reasoning item: OpenAI's own, which its seal is tied to, or a new one."""
    seal = thought.signature
    if seal is not None and seal.family == OPENAI:
        return seal.id or thought.id or otherwise
    return otherwise


def thought_item(thought: Reasoning, id_: str, *, same: bool) -> dict[str, Any]:
    """A reasoning item. The text of a thought is its summary here, as no other field is shown by clients."""
    out: dict[str, Any] = {"id": id_, "type": "reasoning", "summary": []}
    summary = thought.summary
    if thought.text and not summary:
        if same:
            out["content"] = [{"type": "reasoning_text", "text": thought.text}]
        else:
            summary = (thought.text,)
    out["summary"] = [{"type": "summary_text", "text": text} for text in summary]
    if thought.signature is not None:
        out["encrypted_content"] = sealed(thought.signature, id_)
    elif thought.redacted is not None:
        out["encrypted_content"] = sealed(Seal(thought.redacted.family, thought.redacted.value, REDACTED), id_)
    if same:
        for name, value in (thought.extras or {}).items():
            out.setdefault(name, value)
    return out


def seal_item(seal: Seal, id_: str, call: str | None) -> dict[str, Any]:
    """A reasoning item that carries the signature of a call, or of the text before it."""
    named = Seal(seal.family, seal.value, OF_TEXT) if call is None else of_call(seal, call)
    encrypted = wrap(named, "")
    return {"id": id_, "type": "reasoning", "summary": [], "encrypted_content": encrypted}


def image_item(image: Media, id_: str) -> dict[str, Any] | None:
    """An image that a model made; None where it is no content of its own."""
    if image.kind != "image" or image.data is None:
        return None
    mark = mark_of(image.extras)
    out = {"id": id_, "type": "image_generation_call", "status": "completed", **mark, "result": image.data}
    if image.mime is not None:
        out.setdefault("output_format", image.mime.partition("/")[2])
    return out
