"""Parts of a content, both ways, in requests and in answers.

Source of facts: https://ai.google.dev/api/caching#Part, https://ai.google.dev/gemini-api/docs/thought-signatures.

A seal of another family travels in `thoughtSignature`, wrapped: on the thought that it proves where the text is needed
to use it (Claude's), else on the call that follows, since clients keep calls and forget thoughts.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final, TypeAlias

import msgspec

from gateway.ir.chat import Media, Opaque, Part, Reasoning, Seal, Text, ToolCall, ToolResult
from gateway.protocols import media
from gateway.protocols.gemini.shapes import Answering, Talking, fields_of, inner_of, list_of, under
from gateway.protocols.reading import Fields, Malformed, compact, wrong
from gateway.protocols.seals import CLAUDE, GEMINI, OPENAI, unwrap, wrap

Ids: TypeAlias = Answering | Talking

# Parts that only this wire knows, by their field.
HOSTED: Final = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
_REDACTED: Final = "redacted"
# https://ai.google.dev/gemini-api/docs/thought-signatures (FAQ): for calls that another model made. They prove nothing.
STAND_INS: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_NO_SEALS: Final = frozenset((*STAND_INS, *(b64encode(word.encode()).decode() for word in STAND_INS)))
# The one field of a result's object that holds the result: Gemini's own word first, then those of SDKs.
_HOLDERS: Final = ("output", "result", "error", "return_value", "content")
_HELD: Final = ("https://generativelanguage.googleapis.com/", "gs://", "files/")
_DECODE: Final = msgspec.json.Decoder()


def parts_of(values: list[Any], at: str, ids: Ids, before: list[Part] | None = None) -> list[Part]:
    """The parts of a content, after those of the same turn that came `before`. Raises `Malformed`."""
    out: list[Part] = list(before or ())
    for index, value in enumerate(values):
        _part(value, f"{at}[{index}]", ids, out)
    return out


def _part(value: Any, at: str, ids: Ids, out: list[Part]) -> None:
    if isinstance(value, str):
        out.append(Text(value))
        return
    if isinstance(value, dict) and len(value) == 1 and isinstance(text := value.get("text"), str):
        out.append(Text(text))
        return
    fields = fields_of(value, at)
    word = fields.text("thoughtSignature")
    seal = unwrap(word, GEMINI) if word and word not in _NO_SEALS else None
    thought = fields.flag("thought")
    kind = next((name for name, each in fields.left.items() if each is not None and name in _KINDS), None)
    if kind == "functionCall":
        out.extend(_call(fields, ids, seal, out))
    elif kind == "functionResponse":
        out.append(_result(fields, ids))
    elif kind in ("inlineData", "fileData"):
        out.append(_media(fields, kind, thought))
    elif kind is None and (seal is not None or "text" in fields.left) and not (fields.left.keys() - {"text"}):
        fields.some("text")
        out.extend(_said("", seal, thought, None, out))
    elif kind == "text":
        text = fields.text("text") or ""
        out.extend(_said(text, seal, thought, fields.extras(), out))
    elif value:
        out.append(Opaque(next(iter(fields.left), "part"), value))


_KINDS: Final = frozenset(("functionCall", "functionResponse", "inlineData", "fileData", "text", *HOSTED))


def _said(text: str, seal: Seal | None, thought: bool | None, extras: Any, out: list[Part]) -> list[Part]:
    if not thought:
        return [Text(text, signature=seal, extras=extras)]
    if not text and seal is not None and seal.family != GEMINI:
        return [sealed(_taken(out), seal)]
    if seal is not None and seal.family != GEMINI:
        return [sealed(text, seal)]
    return [Reasoning(text=text, signature=seal, extras=extras)]


def _taken(out: list[Part]) -> str:
    """The text of the unproved thoughts at the end, which a seal of another family now proves as one."""
    texts: list[str] = []
    while out and isinstance(last := out[-1], Reasoning) and last.signature is None and last.redacted is None:
        texts.append(last.text)
        out.pop()
    return "".join(reversed(texts))


def sealed(text: str, seal: Seal) -> Reasoning:
    """The thought that a seal of another family stands for."""
    if seal.id == _REDACTED:
        return Reasoning(text=text, redacted=Seal(seal.family, seal.value))
    return Reasoning(text=text, signature=seal, id=seal.id if seal.family == OPENAI else None)


def _call(fields: Fields, ids: Ids, seal: Seal | None, out: list[Part]) -> list[Part]:
    inner = inner_of(fields, "functionCall")
    assert inner is not None  # noqa: S101 - the caller has seen it
    name = inner.text("name") or ""
    given = inner.some("args")
    if given is not None and not isinstance(given, dict | str):
        raise wrong(inner.path("args"), "an object", given)
    arguments = given if isinstance(given, str) and given else compact(given or {})
    id_ = ids.call(inner.text("id"), name, arguments)
    extras = {**under("functionCall", inner.left), **fields.left} or None
    if seal is None or seal.family == GEMINI:
        return [ToolCall(id=id_, name=name, arguments=arguments, signature=seal, extras=extras)]
    return [sealed(_taken(out), seal), ToolCall(id=id_, name=name, arguments=arguments, extras=extras)]


def _result(fields: Fields, ids: Ids) -> ToolResult:
    inner = inner_of(fields, "functionResponse")
    assert inner is not None  # noqa: S101 - the caller has seen it
    name = inner.text("name") or ""
    call = ids.result(inner.text("id"), name)
    response = inner.some("response")
    content: list[Part] = []
    extras: dict[str, Any] = {}
    error = None
    if isinstance(response, dict) and len(response) == 1 and (key := next(iter(response))) in _HOLDERS:
        held = response[key]
        error = True if key == "error" else None
        plain = isinstance(held, str)
        content.append(Text(held if plain else compact(held)))
        if key not in ("output", "error") or not plain:
            extras["wrapper"] = key if plain else f"{key} as JSON"
    elif isinstance(response, str):
        content.append(Text(response))
    elif isinstance(response, dict) and response.keys() == {"name", "content"} and response["name"] == name:
        held = response["content"]  # how the AI SDK and RubyLLM write it
        text = _only_text(held)
        content.append(Text(held if isinstance(held, str) else text if text is not None else compact(held)))
        extras["wrapper"] = "named" if isinstance(held, str) else f"named as {'JSON' if text is None else 'texts'}"
    elif response is not None:
        content.append(Text(compact(response)))
        extras["wrapper"] = "none"
    for at, each in enumerate(inner.items("parts")):
        part = fields_of(each, f"{inner.at}.parts[{at}]")
        kind = next((name for name in ("inlineData", "fileData") if part.left.get(name) is not None), None)
        content.append(Opaque("functionResponse.parts", each) if kind is None else _media(part, kind, None))
    extras.update(under("functionResponse", inner.left))
    extras.update(fields.left)
    return ToolResult(call=call, name=name or None, content=tuple(content), error=error, extras=extras or None)


def _only_text(value: Any) -> str | None:
    """The text of a list that holds one text part and nothing else."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and value[0].keys() == {"text"}:
        text = value[0]["text"]
        return text if isinstance(text, str) else None
    return None


def _media(fields: Fields, kind: str, thought: bool | None) -> Media:
    inner = inner_of(fields, kind)
    assert inner is not None  # noqa: S101 - the caller has seen it
    said = inner.text("mimeType")
    name = inner.text("displayName")
    content = inner.needed("data" if kind == "inlineData" else "fileUri")
    more = {**under(kind, inner.left), **fields.left, **({"thought": True} if thought else {})}
    extras = more or None
    if kind == "inlineData":
        mime = media.sniffed(said, content)
        return Media(kind=media.kind_of(mime), mime=mime, data=content, name=name, extras=extras)
    youtube = "youtube.com/" in content or "youtu.be/" in content
    mime = said or media.by_name(content)
    what = "video" if youtube and mime is None else media.kind_of(mime)
    if content.startswith(_HELD):
        return Media(kind=what, mime=said, file=content, name=name, extras=extras)
    return Media(kind=what, mime=said, url=content, name=name, extras=extras)


def seal_of(thought: Reasoning) -> Seal | None:
    """The seal of a thought, a redacted one marked as such."""
    if thought.redacted is not None:
        return Seal(thought.redacted.family, thought.redacted.value, _REDACTED)
    return thought.signature


def rides(seal: Seal) -> bool:
    """Whether a seal can be used without the thought's text, and so may ride on a call."""
    return seal.family != GEMINI and (seal.family != CLAUDE or seal.id == _REDACTED)


def text_out(text: str, seal: Seal | None = None, thought: bool = False) -> dict[str, Any]:
    """A text or a thought."""
    out: dict[str, Any] = {"text": text}
    if thought:
        out["thought"] = True
    if seal is not None:
        out["thoughtSignature"] = wrap(seal, GEMINI)
    return out


def arguments_out(arguments: str, custom: bool) -> dict[str, Any] | None:
    """Arguments as the object they are; free text as the `input` of one. None for JSON that is no object."""
    if custom:
        return {"input": arguments}
    try:
        value = _DECODE.decode(arguments.encode("utf-8", "surrogatepass")) if arguments.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return value if isinstance(value, dict) else {} if value is None else None


def call_out(call: ToolCall, id_: str | None, seal: Seal | None) -> tuple[dict[str, Any], bool]:
    """A call, and whether its arguments could be written as they are."""
    arguments = arguments_out(call.arguments, call.custom)
    inner: dict[str, Any] = {} if id_ is None else {"id": id_}
    inner["name"] = call.name
    inner["args"] = {"input": call.arguments} if arguments is None else arguments
    out: dict[str, Any] = {"functionCall": inner}
    if seal is not None:
        out["thoughtSignature"] = wrap(seal, GEMINI)
    return out, arguments is not None


def response_out(name: str, text: str, error: bool | None, wrapper: Any) -> dict[str, Any]:
    """The object of a function's result: as its wrapper says, else `output` or `error`."""
    key, _, form = wrapper.partition(" ") if isinstance(wrapper, str) else ("", "", "")
    value: Any = text
    if form == "as JSON" or key == "none":
        try:
            value = _DECODE.decode(text.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            value = text
    elif form == "as texts":
        value = [{"text": text}]
    if key == "none" and isinstance(value, dict):
        return value
    if key == "named":
        return {"name": name, "content": value}
    return {key if key not in ("", "none") else "error" if error else "output": value}


def inline(mime: str, data: str) -> dict[str, Any]:
    """Content by value."""
    return {"inlineData": {"mimeType": mime, "data": data}}


def content_of(value: Any, at: str, ids: Ids) -> list[Part]:
    """The parts of a content, or of the bare text that some clients write instead."""
    if isinstance(value, str):
        return [Text(value)]
    if isinstance(value, list):
        return parts_of(value, at, ids)
    fields = fields_of(value, at)
    return parts_of(list_of(fields, "parts"), f"{at}.parts", ids)


def missing(at: str) -> Malformed:
    """The complaint about a field that must be there."""
    return Malformed(at, "is missing")
