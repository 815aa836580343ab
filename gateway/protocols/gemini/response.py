"""Whole answers: read into the IR, written from it, and, where bytes pass, read only for their usage."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.failure import Failed, Failure, Kind
from gateway.ir.chat import (
    Choice,
    Declined,
    Finish,
    Media,
    Opaque,
    Part,
    Reasoning,
    Request,
    Response,
    Seal,
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols import media
from gateway.protocols.contract import Encoded
from gateway.protocols.gemini.citations import Grounding, citations_of
from gateway.protocols.gemini.errors import failure_of
from gateway.protocols.gemini.finishes import (
    blocked,
    finish_of,
    logprobs_of,
    logprobs_out,
    usage_of,
    usage_out,
    word_of,
)
from gateway.protocols.gemini.parts import HOSTED, call_out, content_of, inline, rides, seal_of, text_out
from gateway.protocols.gemini.shapes import ORIGIN, Answering, fields_of, put_all, tier_of, tier_out, too_deep
from gateway.protocols.losses import Losses
from gateway.protocols.reading import json_of


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[msgspec.Raw] | None = None
    usage_metadata: Any = None
    prompt_feedback: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EMPTY: Final = "the answer has no candidates"


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer. Raises `Failed`: the failure that it carries, else `bad_response`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"the answer is no GenerateContentResponse: {error}"
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=message)) from None
    if answer.error is not None:
        raise Failed(failure_of(answer.error, None))
    if not answer.candidates and not blocked(answer.prompt_feedback):
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=_EMPTY))
    return usage_of(answer.usage_metadata)


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no GenerateContentResponse."""
    try:
        return _response(json_of(body))
    except RecursionError:
        raise too_deep() from None


def _response(value: Any) -> Response:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    fields = fields_of(value, "")
    error = fields.some("error")
    if error is not None:
        raise Failed(failure_of(error, None))
    candidates = fields.items("candidates")
    refused = blocked(fields.left.get("promptFeedback"))
    if not candidates and not refused:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=_EMPTY))
    id_ = fields.text("responseId") or ""
    ids = Answering(id_)
    choices = tuple(_choice(each, f"candidates[{at}]", ids) for at, each in enumerate(candidates))
    usage = fields.some("usageMetadata")
    return Response(
        origin=ORIGIN,
        id=id_,
        model=fields.text("modelVersion") or "",
        choices=choices or (Choice(parts=(), finish=Finish.CONTENT_FILTER),),
        usage=usage_of(usage),
        created=epoch(fields.left.get("createTime")),
        service_tier=tier_of(usage.get("serviceTier")) if isinstance(usage, dict) else None,
        extras=fields.left,
    )


def epoch(moment: Any) -> int:
    """Seconds since the epoch of an RFC 3339 time, 0 for anything else."""
    if not isinstance(moment, str):
        return 0
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0


def _choice(value: Any, at: str, ids: Answering) -> Choice:
    fields = fields_of(value, at)
    content = fields.some("content")
    parts = content_of(content, f"{at}.content", ids) if content is not None else []
    parts = [part for part in parts if not (isinstance(part, Text) and not part.text and part.signature is None)]
    word = fields.left.get("finishReason")
    called = any(isinstance(part, ToolCall) for part in parts)
    finish = finish_of(fields.some("finishReason"), called)
    if isinstance(word, str) and word_of(finish) != word:
        fields.left["finishReason"] = word
    fields.some("index")
    grounding, citing = fields.left.get("groundingMetadata"), fields.left.get("citationMetadata")
    if grounding is not None or citing is not None:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        parts = _cited(parts, citations_of(grounding, citing, text))
    rows = logprobs_of(fields.left.get("logprobsResult"))
    if rows is not None:
        del fields.left["logprobsResult"]
    return Choice(
        parts=tuple(parts),
        finish=finish,
        logprobs={"content": rows, "refusal": None} if rows is not None else None,
        extras=fields.extras(),
    )


def _cited(parts: list[Part], citations: tuple[Any, ...]) -> list[Part]:
    """The parts with each citation on the text that holds its end; positions count from that text's beginning."""
    texts = {at: len(part.text) for at, part in enumerate(parts) if isinstance(part, Text) and part.text}
    if not citations or not texts:
        return parts
    begins = {}
    total = 0
    for at, length in texts.items():
        begins[at] = total
        total += length
    out = list(parts)
    for citation in citations:
        end = citation.end or 0
        at = next((each for each in reversed(texts) if begins[each] < end), next(iter(texts)))
        begin = begins[at]
        if begin and citation.end is not None:
            start = max(0, (citation.start or 0) - begin)
            citation = msgspec.structs.replace(citation, start=start, end=end - begin)
        part = out[at]
        assert isinstance(part, Text)  # noqa: S101 - `texts` are the texts
        out[at] = msgspec.structs.replace(part, citations=(*part.citations, citation))
    return out


def encode_response(response: Response, request: Request) -> Encoded:
    """The answer's body."""
    del request
    losses = Losses("Gemini's wire")
    same = response.origin == ORIGIN
    body: dict[str, Any] = {
        "candidates": [_candidate(choice, at, losses, same) for at, choice in enumerate(response.choices)],
        "usageMetadata": usage_out(response.usage or Usage()),
        "modelVersion": response.model,
        "responseId": response.id or "gateway",
    }
    if same:
        if blocked(response.extras.get("promptFeedback")) and not any(choice.parts for choice in response.choices):
            del body["candidates"]
        put_all(body, response.extras)
    if response.service_tier is not None:
        body["usageMetadata"]["serviceTier"] = tier_out(response.service_tier)
    return Encoded(body, losses.all())


def _candidate(choice: Choice, at: int, losses: Losses, same: bool) -> dict[str, Any]:
    grounding = Grounding(losses)
    parts = _parts(choice.parts, losses, same, grounding)
    out: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    kept = same and isinstance((choice.extras or {}).get("finishReason"), str)
    out["finishReason"] = (choice.extras or {})["finishReason"] if kept else word_of(choice.finish)
    out["index"] = at
    losses.finish(choice.finish, out["finishReason"], word_of(Finish.STOP))
    rows = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
    if (logprobs := logprobs_out(rows)) is not None:
        out["logprobsResult"] = logprobs
    if same:
        put_all(out, choice.extras)
    elif (found := grounding.out()) is not None:
        out["groundingMetadata"] = found
    return out


def _parts(parts: tuple[Part, ...], losses: Losses, same: bool, grounding: Grounding) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    held: Seal | None = None
    before = ""
    for part in parts:
        if held is not None and not (isinstance(part, ToolCall) and part.signature is None):
            out.append(text_out("", held, thought=True))
            held = None
        match part:
            case Text():
                out.append(text_out(part.text, part.signature))
                if not same:
                    for citation in part.citations:
                        grounding.add(citation, part.text, before)
                before += part.text
            case Declined():
                out.append(text_out(part.text))
                losses.drop("refusal", "the words of a refusal are text here")
            case Reasoning():
                seal = seal_of(part)
                if seal is not None and rides(seal):
                    held, seal = seal, None
                if part.text or seal is not None:
                    out.append(text_out(part.text, seal, thought=True))
            case ToolCall():
                written, whole = call_out(part, part.id, part.signature or held)
                held = None
                if not whole:
                    losses.drop("tool_calls.arguments", "they are no JSON object; they stand in `input`")
                if same:
                    put_all(written, part.extras)
                out.append(written)
            case Media():
                shown = media_part(part, losses)
                if shown is not None:
                    if same:
                        put_all(shown, part.extras)
                    out.append(shown)
            case Opaque():
                raw = hosted_part(part, losses)
                if raw is not None:
                    out.append(raw)
            case _:
                losses.drop("content", "only the provider's own wire knows it")
    if held is not None:
        out.append(text_out("", held, thought=True))
    return out


def media_part(part: Media, losses: Losses) -> dict[str, Any] | None:
    """Content that a model made."""
    if part.data is not None:
        return inline(media.sniffed(part.mime, part.data) or "application/octet-stream", part.data)
    link = part.url or part.file
    if link is None:
        losses.drop(part.kind, "content has bytes or a URL here")
        return None
    mime = part.mime or media.by_name(link)
    return {"fileData": {**({"mimeType": mime} if mime else {}), "fileUri": link}}


def hosted_part(part: Opaque, losses: Losses) -> dict[str, Any] | None:
    """A part that only this wire knows; another wire's is reported."""
    if part.what in HOSTED and isinstance(part.raw, dict):
        return part.raw
    losses.drop(part.what, "only the provider's own wire knows it")
    return None
