"""The matrix: which SDK asks for what through which upstream's wire, and what a cell means that is not simply good.

A cell is good, or it is *told*: one of the two wires has no place for something, the gateway names it in
`x-gateway-lossy`, and all else is as in any other cell; or it is *none*: the client's own wire has no way to ask. Either
needs the wire's own reason here. There is no fourth kind. `python -m tests.matrix` writes it all as docs/sdk-matrix.md.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from tests.matrix.anthropic_messages import AnthropicMessages
from tests.matrix.gemini import Gemini
from tests.matrix.ollama_chat import OllamaChat
from tests.matrix.openai_chat import OpenAIChat
from tests.matrix.openai_responses import OpenAIResponses

CLIENTS: Final[dict[str, Any]] = {
    "openai-chat": OpenAIChat,
    "openai-responses": OpenAIResponses,
    "anthropic": AnthropicMessages,
    "gemini": Gemini,
    "ollama": OllamaChat,
}


class Upstream(msgspec.Struct, frozen=True):
    """A provider of a wire: the preset whose dialect it has, and a model of it that thinks.

    `seal` is the name under which its wire wants a thought or a call proven, "" where nothing is; `stops` says whether it
    tells an end by a stop sequence from any other. `thinks` are words for a sandbox that has to be told to think.
    """

    preset: str
    model: str
    seal: str = ""
    stops: bool = False
    thinks: tuple[str, ...] = ()
    sees: str = ""  # a model that sees, where the one that thinks does not


UPSTREAMS: Final = {
    "openai-chat": Upstream("openai", "o3-mini", thinks=("reasoning=16",), sees="gpt-4.1"),
    "openai-responses": Upstream("openai-responses", "gpt-5", "encrypted_content", thinks=("reasoning=16",)),
    "anthropic": Upstream("anthropic", "claude-sonnet-4-5", "signature", stops=True),
    "gemini": Upstream("gemini", "gemini-3-flash", "thoughtSignature"),
    "ollama": Upstream("ollama", "qwen3"),
    "bedrock-converse": Upstream("bedrock-key", "anthropic.claude-sonnet-4-5", "signature", stops=True),
    "cohere": Upstream("cohere", "command-a-reasoning", stops=True),
}

SCENARIOS: Final = {
    "plain": "a question, its answer, and the tokens of both",
    "stream": "the same in pieces",
    "system": "an instruction, where the upstream's wire has its place",
    "tools": "a call with arguments, whole and streamed",
    "parallel": "two calls at once, whole and streamed",
    "results": "calls, their results, the answer that is made of them",
    "image": "a picture as base64",
    "structured": "an answer that follows a JSON schema",
    "reasoning": "thought before a call; what the SDK returned, proofs included, goes back to the strict upstream",
    "stop": "a stop sequence ends the answer",
    "long": "a bound on the tokens ends the answer",
    "error": "400, 429, 500 and overloaded, whole and streamed: the SDK's own exception with the right status",
    "broken": "an error inside a stream is the SDK's own error, after what came before it",
    "leave": "a client that leaves, before an answer and in a stream, closes the upstream's connection",
}

_ANY: Final = "*"

# (client, upstream, scenario) → why the client's wire has no way to ask. `*` stands for all.
NONE: Final[dict[tuple[str, str, str], str]] = {
    ("openai-responses", _ANY, "stop"): "Responses has no stop sequences.",
}

Told: TypeAlias = tuple[tuple[str, ...], str]

_NO_PLACE: Final = "Ollama's wire has no place for what proves a thought or a call, so it does not come back."
_EFFORT: Final = "Ollama's `think` is on or off for this model."
_CITED: Final = "Cohere cites what a tool said; the client's wire cites URLs, and there is none."
_SEALED: Final = (
    "Gemini takes a thought back only with a signature of its own; the call's signature does go back. It has levels of "
    "thinking, not budgets, and signs its last text too, which is optional to return."
)
_FORGOTTEN: Final = (
    f"{_NO_PLACE} Without it Claude's thought must not go back, nor a budget for more within the tool loop."
)

# (client, upstream, scenario) → the fields that are reported as lost, and why a wire has no place for them.
TOLD: Final[dict[tuple[str, str, str], Told]] = {
    (_ANY, "openai-responses", "stop"): (("stop",), "Responses has no stop sequences."),
    (_ANY, "openai-chat", "reasoning"): (("reasoning",), "Chat completions take no thought back."),
    (_ANY, "cohere", "results"): (("citations",), _CITED),
    (_ANY, "cohere", "reasoning"): (("citations",), _CITED),
    ("openai-chat", "ollama", "reasoning"): (("thinking.effort",), _EFFORT),
    ("openai-responses", "ollama", "reasoning"): (("thinking.effort",), _EFFORT),
    ("anthropic", "ollama", "reasoning"): (("thinking.budget",), _EFFORT),
    ("gemini", "ollama", "reasoning"): (("thinking.budget",), _EFFORT),
    ("openai-chat", "gemini", "reasoning"): (("reasoning", "text.signature"), _SEALED),
    ("openai-responses", "gemini", "reasoning"): (("reasoning",), _SEALED),
    ("anthropic", "gemini", "reasoning"): (("reasoning", "text.signature", "thinking"), _SEALED),
    ("ollama", "openai-responses", "reasoning"): (("reasoning", "reasoning.signature"), _NO_PLACE),
    ("ollama", "anthropic", "reasoning"): (("reasoning", "reasoning.signature", "thinking"), _FORGOTTEN),
    ("ollama", "bedrock-converse", "reasoning"): (("reasoning", "reasoning.signature", "thinking"), _FORGOTTEN),
    ("ollama", "gemini", "tools"): (("tool_call.signature",), _NO_PLACE),
    ("ollama", "gemini", "parallel"): (("tool_call.signature",), _NO_PLACE),
    ("ollama", "gemini", "results"): (("tool_call.signature",), _NO_PLACE),
    ("ollama", "gemini", "reasoning"): (("reasoning", "text.signature", "tool_call.signature"), _NO_PLACE),
}


def none(client: str, upstream: str, scenario: str) -> str | None:
    """Why a cell is empty, None where it is not."""
    return NONE.get((client, upstream, scenario)) or NONE.get((client, _ANY, scenario))


def told(client: str, upstream: str, scenario: str) -> Told | None:
    """What a cell loses and says so, None where it loses nothing; the client's own wire loses nothing."""
    if client == upstream:
        return None
    return TOLD.get((client, upstream, scenario)) or TOLD.get((_ANY, upstream, scenario))


def rendered() -> str:
    """The matrix for people."""
    lines = [
        "# SDKs × upstreams",
        "",
        "Every cell is a test: the official SDK over a socket, a gateway process, and a sandbox that speaks the upstream's wire as",
        "strictly as its provider. `python -m tests.matrix` writes this page; `tests/matrix/` plays it and holds it to itself.",
        "",
        "✓ it works, and nothing is lost · ✓ with a number: what is named there is lost, and `x-gateway-lossy` says so · – the",
        "client's own wire cannot ask for it.",
        "",
        "| scenario | what must be so |",
        "|---|---|",
        *(f"| {name} | {meaning} |" for name, meaning in SCENARIOS.items()),
    ]
    notes: list[str] = []
    for client, speaker in CLIENTS.items():
        lines += [
            "",
            f"## {client}: {speaker.sdk}",
            "",
            f"| | {' | '.join(UPSTREAMS)} |",
            "|---" * (len(UPSTREAMS) + 1) + "|",
        ]
        for scenario in SCENARIOS:
            row = [_shown(client, upstream, scenario, notes) for upstream in UPSTREAMS]
            lines.append(f"| {scenario} | {' | '.join(row)} |")
    lines += ["", "## Notes", "", *(f"{at}. {note}" for at, note in enumerate(notes, 1)), ""]
    return "\n".join(lines)


def _shown(client: str, upstream: str, scenario: str, notes: list[str]) -> str:
    empty, lost = none(client, upstream, scenario), told(client, upstream, scenario)
    if empty is None and lost is None:
        return "✓"
    note = empty if empty is not None else ""
    if lost is not None and empty is None:
        note = f"{', '.join(f'`{field}`' for field in lost[0])}: {lost[1]}"
    if note not in notes:
        notes.append(note)
    return f"{'–' if empty is not None else '✓'} {notes.index(note) + 1}"
