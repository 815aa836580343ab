"""What belongs together: the one place that says which conversation, user or key a request is of.

A session is, in this order: what a header calls it (`SESSION_HEADERS`); what the body calls it (`session_id`,
`litellm_session_id` and `chat_id`, also inside `extra_body`; OpenAI's `conversation` and `prompt_cache_key`; the part
of Anthropic's `metadata.user_id` after `_session_`, or its `session_id` where it is JSON); else a hash of the system's
words and the first of the user's, which stay the same as a conversation grows. A user is one only where the caller's
key says `trust: [user]`. Whatever a client says here is a label and scoped by its key: two callers never share.

Must not live here: what is done about it (sticky.py, strategies/consistent.py).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import msgspec

from gateway.protocols.contract import Fields
from gateway.routing.sending import Job

# The names under which clients say their conversation: ours and OmniRoute's, and those of Claude Code and Codex.
SESSION_HEADERS: Final = (
    "x-session-id",
    "x-omniroute-session",
    "session-id",
    "x-claude-code-session-id",
    "session_id",
)
PREFIX: Final = 4096  # bytes of a prompt: about the least that providers keep in their prompt caches
_NAME_MOST: Final = 128
_NAMES: Final = ("session_id", "litellm_session_id", "chat_id", "conversation", "prompt_cache_key")
_SYSTEM: Final = ("system", "instructions", "systemInstruction", "system_instruction")
_TURNS: Final = ("messages", "input", "contents")
_MARK: Final = "_session_"


class _Turn(msgspec.Struct):
    """A message of any wire, as far as it matters here."""

    role: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"")
    parts: msgspec.Raw = msgspec.Raw(b"")


class _Piece(msgspec.Struct):
    text: str = ""


_VALUE: Final = msgspec.json.Decoder(Any)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TURN_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ONE_TURN: Final = msgspec.json.Decoder(_Turn)
_PIECES: Final = msgspec.json.Decoder(list[_Piece])


def identity_of(job: Job, by: str) -> str:
    """What a request belongs to, by `session`, `user`, `key` or `prompt`; it holds the key's name. "" where unknown."""
    key = job.facts.key or ""
    if by == "key":
        return "key\0" + key
    facts = job.facts
    if by == "user":
        return f"user\0{key}\0{_word(facts.user)}" if facts.user else ""
    if by == "prompt":
        return f"prompt\0{key}\0{_digest(_prompt(job.head.fields)[:PREFIX])}"
    if job.session is None:
        job.session = session_of(facts.session, job.head.fields)
    return f"session\0{key}\0{job.session}"


def session_of(header: str, fields: Fields) -> str:
    """What a request's session is called, without its key; `header` is what `SESSION_HEADERS` say, "" for nothing."""
    return _word(header) or _said(fields) or _first_words(fields)


def previous_answer(job: Job) -> str | None:
    """The id of the answer that a request goes on from, where its wire has such."""
    raw = job.head.fields.get("previous_response_id")
    value = _value(raw) if raw is not None else None
    return value if isinstance(value, str) and 0 < len(value) <= 256 else None


def _said(fields: Fields) -> str:
    """What the body calls the session."""
    for name in _NAMES:
        raw = fields.get(name)
        if raw is not None and (word := _word(_value(raw))):
            return word
    raw = fields.get("extra_body")
    if raw is not None:
        inner = _fields(raw)
        for name in _NAMES:
            if name in inner and (word := _word(_value(inner[name]))):
                return word
    raw = fields.get("metadata")
    if raw is not None:
        user = _value(_fields(raw).get("user_id", msgspec.Raw(b"null")))
        if isinstance(user, str):
            return _of_user_id(user)
    return ""


def _of_user_id(user: str) -> str:
    """Claude Code's: `user_…_account_…_session_…`, or since 2026 a JSON object with `session_id`."""
    _, mark, session = user.rpartition(_MARK)
    if mark:
        return _word(session)
    if user.startswith("{"):
        try:
            said = msgspec.json.decode(user)
        except msgspec.DecodeError:
            return ""
        return _word(said.get("session_id")) if isinstance(said, dict) else ""
    return ""


def _word(value: Any) -> str:
    if isinstance(value, dict):  # OpenAI's `conversation: {id}`
        value = value.get("id")
    if not isinstance(value, str) or not value:
        return ""
    return value if len(value) <= _NAME_MOST else _digest(value.encode("utf-8", "surrogatepass"))


def _first_words(fields: Fields) -> str:
    """A hash of the system's words and the user's first; marks of prompt caches in between do not count."""
    said = [_words(fields[name]) for name in _SYSTEM if name in fields]
    for turn in _turns(fields):
        said.append(_words(turn.content or turn.parts))
        if turn.role not in ("system", "developer"):
            break
    return _digest(b"\0".join(said))


def _turns(fields: Fields) -> Any:
    """The messages, read one by one as far as anybody looks."""
    raw = next((fields[name] for name in _TURNS if name in fields), None)
    if raw is None:
        return
    if bytes(memoryview(raw)[:1]) == b'"':
        yield _Turn("user", raw)
        return
    try:
        for item in _TURN_LIST.decode(raw):
            yield _ONE_TURN.decode(item)
    except msgspec.MsgspecError:
        return


def _words(raw: msgspec.Raw) -> bytes:
    """The text of a string, a part, or a list of parts; of anything else its bytes."""
    if bytes(memoryview(raw)[:1]) == b"[":
        try:
            return "\0".join(piece.text for piece in _PIECES.decode(raw)).encode("utf-8", "surrogatepass")
        except msgspec.MsgspecError:
            return bytes(raw)
    return bytes(raw)


def _prompt(fields: Fields) -> bytes:
    """The beginning of what a model reads, as it is written."""
    return b"".join(bytes(fields[name]) for name in (*_SYSTEM, *_TURNS) if name in fields)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


def _value(raw: msgspec.Raw) -> Any:
    try:
        return _VALUE.decode(raw)
    except msgspec.MsgspecError:
        return None


def _fields(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(raw)
    except msgspec.MsgspecError:
        return {}
