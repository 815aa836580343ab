"""What a request needs of a target: capabilities, and room in its context window.

It is asked for only where something of a target is known (`Target.supports`, `Target.context`), once per request, and
from the bytes of the body as far as they can tell: one that has none of a capability's fields or words needs none of
it, and one whose bytes, at four to a token, fit into a window is not counted. Only then is the request decoded, as
policies would. What cannot be told is never held against a target.

A window counts as too small when `SURE` of the estimated prompt and the answer's bound do not fit. The bound counts
for no more than the longest answer of the model, or half its window where that is unknown: many upstreams cut it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.failure import Kind, Refused
from gateway.ir.estimate import prompt_tokens
from gateway.protocols.bounds import bound_of
from gateway.routing.conditions import HAS
from gateway.routing.node import Target
from gateway.routing.sending import Job

SURE: Final = 0.8  # of the estimate: its error is about a fifth
BYTES: Final = 4  # of a body to a token
ANSWER: Final = 1024  # tokens of an answer that nothing bounds, where a cost is estimated

# Words of `supports` → what a request then has (conditions.HAS).
_WORDS: Final = {
    "tools": "tools",
    "vision": "images",
    "audio": "audio",
    "documents": "documents",
    "json_schema": "json_schema",
    "reasoning": "reasoning",
}
_ALL: Final = frozenset(_WORDS)
# The top-level fields without which no wire says so, and for what stands in messages the bytes.
_FIELDS: Final = {
    "tools": frozenset(("tools", "functions")),
    "json_schema": frozenset(
        ("response_format", "text", "format", "output_format", "output_config", "generationConfig", "generation_config")
    ),
    "reasoning": frozenset(
        (
            "reasoning_effort",
            "reasoning",
            "thinking",
            "think",
            "output_config",
            "generationConfig",
            "generation_config",
            "extra_body",
        )
    ),
}
_MARKS: Final = {
    "vision": (b"image",),
    "audio": (b"audio",),
    "documents": (b"document", b"file", b"pdf"),
}
_TYPED: Final = frozenset(("openai-chat", "openai-responses", "anthropic"))  # wires on which every medium has a `type`
_MEDIA: Final = (b"base64", b"data:", b"nline")


class Unable(NamedTuple):
    """Why a target cannot carry a request; `kind` is what its provider would have answered."""

    kind: Kind
    why: str


class Needs:
    """What one request needs, found out as it is asked."""

    __slots__ = ("_bound", "_counted", "_input", "_job", "_typed", "_words")

    def __init__(self, job: Job) -> None:
        self._job = job
        self._words: dict[str, bool] = {}
        self._typed: bool | None = None
        self._counted: int | None = None
        self._input: int | None = None
        self._bound: int | None = None

    def has(self, word: str) -> bool:
        """Whether a capability is needed."""
        known = self._words.get(word)
        if known is None:
            known = self._job.edited or self._hinted(word)
            if known:
                try:
                    known = HAS[_WORDS[word]](self._job.request())
                except Refused:
                    known = False
            self._words[word] = known
        return known

    def _hinted(self, word: str) -> bool:
        """Whether the bytes leave it possible."""
        head = self._job.head
        fields = _FIELDS.get(word)
        if fields is not None:
            return not fields.isdisjoint(head.fields)
        if self._typed is None:
            self._typed = self._job.protocol.name not in _TYPED or b'"type"' in head.body
        return self._typed and any(mark in head.body for mark in _MARKS[word])

    @property
    def rough(self) -> int:
        """Tokens of the prompt by its bytes."""
        return self.counted if self._job.edited else len(self._job.head.body) // BYTES

    @property
    def input(self) -> int:
        """Tokens of the prompt: by its bytes, where these are text."""
        if self._input is None:
            body = self._job.head.body
            self._input = self.counted if any(mark in body for mark in _MEDIA) else self.rough
        return self._input

    @property
    def counted(self) -> int:
        """Tokens of the prompt as the decoded request has them; 0 where it cannot be decoded."""
        if self._counted is None:
            try:
                self._counted = prompt_tokens(self._job.request())
            except Refused:
                self._counted = 0
        return self._counted

    @property
    def bound(self) -> int:
        """The most tokens of an answer that the client asked for, 0 where it did not say."""
        if self._bound is None:
            self._bound = _bound(self._job)
        return self._bound


def _bound(job: Job) -> int:
    if not job.edited:
        return bound_of(job.protocol.name, job.head.fields).most or 0
    value = job.request().max_tokens
    return max(value, 0) if isinstance(value, int) else 0


def needs_of(job: Job) -> Needs:
    """What a request needs."""
    needs: Needs | None = job.needs
    if needs is None:
        needs = job.needs = Needs(job)
    return needs


def unable(target: Target, job: Job) -> Unable | None:
    """Why a target clearly cannot carry a request, None where nothing that is known speaks against it."""
    supports = target.supports
    if supports is not None and not supports >= _ALL:
        needs = needs_of(job)
        lacks = [word for word in _WORDS if word not in supports and needs.has(word)]
        if lacks:
            return Unable(Kind.UNSUPPORTED, f"it does not support {' and '.join(lacks)}")
    context = target.context
    if context is not None:
        needs = needs_of(job)
        most = context // 2 if target.max_output is None else target.max_output
        bound = min(needs.bound, most)
        if needs.rough + bound > context and int(needs.counted * SURE) + bound > context:
            answer = f" and {bound:,} of the answer" if bound else ""
            room = f"about {needs.counted:,} tokens of the prompt{answer}"
            return Unable(Kind.CONTEXT_WINDOW, f"its context window ({context:,} tokens) is too small for {room}")
    return None
