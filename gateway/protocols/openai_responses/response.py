"""Whole answers: read into the IR, written from it, and, where bytes pass, read only for their usage."""

from __future__ import annotations

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
    Text,
    ToolCall,
)
from gateway.ir.usage import Usage
from gateway.protocols.contract import Encoded
from gateway.protocols.losses import Losses
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.answer import (
    ended,
    hosted,
    image_item,
    item_id,
    response_id,
    response_of,
    seal_item,
    thought_id,
    thought_item,
)
from gateway.protocols.openai_responses.client_tools import ITEM, mark_of
from gateway.protocols.openai_responses.content import PART, annotation_of, parts_of
from gateway.protocols.openai_responses.errors import failure_of
from gateway.protocols.openai_responses.finishes import finish_of, usage_of
from gateway.protocols.openai_responses.items_in import call_of, image_of, thought_of
from gateway.protocols.openai_responses.request_in import ORIGIN
from gateway.protocols.openai_responses.request_out import WIRE
from gateway.protocols.reading import Fields, json_of

# A shell call can only come to a client of this wire, which gets it as bytes: no other could have asked for it.
CALLS: Final = ("function_call", "custom_tool_call")


class _Answer(msgspec.Struct):
    status: Any = None
    output: list[msgspec.Raw] | None = None
    usage: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> Usage | None:
    """The usage of a whole 2xx answer. Raises `Failed`: the failure that it carries, or `bad_response`."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message=f"the answer is not a response: {error}")) from None
    _check(answer.error, answer.status)
    if answer.output is None:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no output"))
    return usage_of(answer.usage)


def _check(error: Any, status: Any) -> None:
    if error is not None:
        raise Failed(failure_of(error))
    if status == "failed":
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the response failed and does not say why"))


def decode_response(body: bytes) -> Response:
    """The answer. Raises `Failed` for an error inside, `Malformed` for what is no response."""
    fields = Fields(json_of(body), "")
    status = fields.some("status")
    _check(fields.some("error"), status)
    if "output" not in fields.left:
        raise Failed(Failure(kind=Kind.BAD_RESPONSE, message="the answer has no output"))
    parts: list[Part] = []
    for at, value in enumerate(fields.items("output")):
        parts += parts_of_item(value, f"output[{at}]")
    called = any(part.__class__ is ToolCall for part in parts)
    logprobs = [row for part in parts if isinstance(part, Text) and part.extras for row in _logprobs(part)]
    created, tier, id_ = fields.some("created_at"), fields.some("service_tier"), fields.some("id")
    choice = Choice(
        parts=tuple(parts),
        finish=finish_of(status, fields.some("incomplete_details"), called),
        logprobs={"content": logprobs, "refusal": None} if logprobs else None,
    )
    fields.some("object")
    return Response(
        origin=ORIGIN,
        id=id_ if isinstance(id_, str) else "",
        model=str(fields.some("model") or ""),
        choices=(choice,),
        usage=usage_of(fields.some("usage")),
        created=int(created) if isinstance(created, int | float) else 0,
        service_tier=tier if isinstance(tier, str) else None,
        extras=fields.left,
    )


def _logprobs(text: Text) -> list[Any]:
    rows = text.extras.get("logprobs") if text.extras else None
    return rows if isinstance(rows, list) else []


def parts_of_item(value: Any, at: str) -> list[Part]:
    """What one output item says. Raises `Malformed`."""
    fields = Fields(value, at)
    fields.some(ITEM)  # the gateway's own word
    kind = fields.text("type") or "message"
    if kind == "message":
        fields.some("role")
        parts = list(parts_of(fields.some("content"), f"{at}.content", prefix=PART))
        if parts and isinstance(first := parts[0], Text):
            extras = {ITEM: fields.left} if first.extras is None else {**first.extras, ITEM: fields.left}
            parts[0] = Text(first.text, first.citations, extras=extras)
        return parts
    if kind == "reasoning":
        return [thought_of(fields, at)]
    if kind in CALLS or (kind == "tool_search_call" and fields.left.get("execution") == "client"):
        return [call_of(fields, kind, at)]
    if kind == "image_generation_call" and (image := image_of(fields)) is not None:
        return [image]
    return [Opaque(kind, value)]


def encode_response(response: Response, request: Request) -> Encoded:
    """The answer's body. `request` names the tools whose calls have a form of their own."""
    losses = Losses(WIRE)
    same = response.origin == ORIGIN
    if len(response.choices) > 1:
        losses.drop("choices", "there is one answer here")
    choice = response.choices[0] if response.choices else Choice(parts=(), finish=Finish.OTHER)
    id_ = response_id(response.id, f"{response.model}{response.created}")
    body = response_of(request, id_=id_, model=response.model, created=response.created, tier=response.service_tier)
    output = _Output(id_, request, losses, same=same).items(choice)
    declined = any(part.__class__ is Declined for part in choice.parts)
    body = ended(body, output, choice.finish, response.usage, declined=declined)
    losses.finish(choice.finish, body["status"], "completed")
    if same:
        body.update((name, value) for name, value in response.extras.items() if name not in ("output", "usage"))
    return Encoded(body, losses.all())


class _Output:
    def __init__(self, response: str, request: Request, losses: Losses, *, same: bool) -> None:
        self.response = response
        self.tools = client_tools.shaped(request)
        self.losses = losses
        self.same = same
        self.out: list[dict[str, Any]] = []

    def id(self, prefix: str) -> str:
        """The id of the next item."""
        return item_id(prefix, self.response, len(self.out))

    def items(self, choice: Choice) -> list[dict[str, Any]]:
        """The output items: texts that follow one another are one message."""
        message: dict[str, Any] | None = None
        rows = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
        for part in choice.parts:
            if isinstance(part, Text | Declined):
                own = mark_of(part.extras) if isinstance(part, Text) and self.same else {}
                if message is None or own:
                    message = {"id": self.id("msg"), "type": "message", "status": "completed", "role": "assistant"}
                    message |= {"content": [], **own}
                    self.out.append(message)
                message["content"].append(self.said(part, rows))
                rows = None
                if isinstance(part, Text) and part.signature is not None:
                    self.out.append(seal_item(part.signature, self.id("rs"), None))
                    message = None
                continue
            message = None
            self.other(part)
        return self.out

    def said(self, part: Text | Declined, logprobs: Any) -> dict[str, Any]:
        """A text or a refusal."""
        if isinstance(part, Declined):
            return {"type": "refusal", "refusal": part.text}
        rows = []
        for citation in part.citations:
            row = annotation_of(citation, part.text, same=self.same)
            if row is None:
                self.losses.drop("citations", "citations have URLs on this wire")
            else:
                rows.append(row)
        return {"type": "output_text", "text": part.text, "annotations": rows, "logprobs": logprobs or []}

    def other(self, part: Part) -> None:
        """Everything that is an item of its own."""
        match part:
            case Reasoning():
                id_ = thought_id(part, (part.id if self.same else None) or self.id("rs"))
                if part.text or part.signature is not None or part.redacted is not None or self.same:
                    self.out.append(thought_item(part, id_, same=self.same))
            case ToolCall():
                self.call(part)
            case Media():
                item = image_item(part, self.id("ig"))
                if item is None:
                    self.losses.drop(part.kind, "answers carry text and images here")
                else:
                    self.out.append(item)
            case Opaque() if hosted(part) or self.same:
                self.out.append(dict(part.raw))
            case Opaque():
                self.losses.drop(part.what, "only the provider's own wire knows it")

    def call(self, call: ToolCall) -> None:
        """A call, in the form that its tool has on this wire."""
        if call.signature is not None:
            self.out.append(seal_item(call.signature, self.id("rs"), call.id))
        tool = self.tools.get(call.name)
        item = client_tools.call_item(
            tool,
            item=self.id("ctc" if call.custom or (tool is not None and tool.custom) else "fc"),
            call=call.id,
            name=call.name,
            arguments=call.arguments,
            custom=call.custom,
            status="completed",
        )
        if self.same:
            mark = mark_of(call.extras)
            item |= {name: mark[name] for name in ("id", "status", "namespace", "name") if name in mark}
            item |= {name: value for name, value in (call.extras or {}).items() if name != ITEM}
        self.out.append(item)
