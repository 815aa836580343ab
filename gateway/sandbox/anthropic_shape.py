"""Which fields Anthropic's Messages API has, and the words in which it refuses others.

Sources: https://platform.claude.com/docs/en/api/messages and the types of Anthropic's Python SDK; the sentences are
those that the API was seen to answer. Tools and content that Anthropic runs by itself are taken as they come.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.sandbox.refusal import Bad
from gateway.sandbox.shape import Shape, Where, anything, array, choice, flag, number, one_of, text, thing, whole

_KINDS: Final = {
    "array": "list",
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "object": "dictionary",
    "string": "string",
}


def spell(where: Where) -> str:
    """`messages.0.content`."""
    return ".".join(str(step) for step in where)


class _Words:
    """See `shape.Words`."""

    def kind(self, where: Where, value: Any, shape: Shape) -> Bad:
        return Bad(f"{spell(where)}: Input should be a valid {_KINDS[shape.kind]}")

    def missing(self, where: Where) -> Bad:
        return Bad(f"{spell(where)}: Field required")

    def unknown(self, where: Where, name: str) -> Bad:
        return Bad(f"{spell((*where, name))}: Extra inputs are not permitted")

    def range(self, where: Where, value: Any, shape: Shape) -> Bad:
        if shape.low is not None and shape.high is not None:
            return Bad(f"{spell(where)}: range: {shape.low:g}..{shape.high:g}")
        return Bad(f"{spell(where)}: Input should be greater than or equal to {shape.low:g}")

    def choice(self, where: Where, value: Any, choices: tuple[Any, ...]) -> Bad:
        *others, last = [f"'{each}'" for each in choices]
        return Bad(f"{spell(where)}: Input should be {', '.join(others) + ' or ' if others else ''}{last}")

    def length(self, where: Where, value: Any, shape: Shape) -> Bad:
        if shape.pattern is not None:
            return Bad(f"{spell(where)}: String should match pattern '^{shape.pattern}$'")
        kind = "String" if shape.kind == "string" else "List"
        unit = "character" if shape.kind == "string" else "item"
        if len(value) < shape.least:
            return Bad(f"{spell(where)}: {kind} should have at least {shape.least} {unit}")
        return Bad(f"{spell(where)}: {kind} should have at most {shape.most} {unit}s")

    def variant(self, where: Where, tag: str, value: Any, known: tuple[str, ...]) -> Bad:
        expected = ", ".join(f"'{each}'" for each in sorted(known))
        return Bad(
            f"{spell(where)}: Input tag '{value}' found using '{tag}' does not match any of the expected tags: "
            f"{expected}"
        )

    def inside(self, where: Where, variant: str) -> Where:
        return (*where, variant)


WORDS: Final = _Words()

_CACHE: Final = thing({"type": choice("ephemeral", required=True), "ttl": choice("5m", "1h")}, null=True)
_CITATIONS: Final = thing({"enabled": flag()}, null=True)
_TEXT: Final = thing({"text": text(required=True), "cache_control": _CACHE, "citations": array(anything(), null=True)})
_PICTURES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_IMAGE: Final = thing(
    {
        "source": one_of(
            "type",
            {
                "base64": thing({"data": text(required=True), "media_type": choice(*_PICTURES, required=True)}),
                "url": thing({"url": text(required=True)}),
                "file": thing({"file_id": text(required=True)}),
            },
            required=True,
        ),
        "cache_control": _CACHE,
        "transformations": anything(),
    }
)
_DOCUMENT: Final = thing(
    {
        "source": one_of(
            "type",
            {
                "base64": thing({"data": text(required=True), "media_type": choice("application/pdf", required=True)}),
                "text": thing({"data": text(required=True), "media_type": choice("text/plain", required=True)}),
                "content": thing({"content": text(required=True, either=(array(anything()),))}),
                "url": thing({"url": text(required=True)}),
                "file": thing({"file_id": text(required=True)}),
            },
            required=True,
        ),
        "cache_control": _CACHE,
        "citations": _CITATIONS,
        "context": text(null=True),
        "title": text(null=True),
    }
)
_SEARCH_RESULT: Final = thing(
    {
        "content": array(one_of("type", {"text": _TEXT}), required=True),
        "source": text(required=True),
        "title": text(required=True),
        "cache_control": _CACHE,
        "citations": _CITATIONS,
    }
)
_ID: Final = text(required=True, pattern="[a-zA-Z0-9_-]+")
_IN_RESULT: Final = one_of(
    "type",
    {
        "text": _TEXT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _SEARCH_RESULT,
        "tool_reference": thing(),
    },
)
_THEIRS: Final = (
    "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result",
    "container_upload", "mcp_tool_use", "mcp_tool_result", "compaction",
)  # fmt: skip
_BLOCK: Final = one_of(
    "type",
    {
        "text": _TEXT,
        "image": _IMAGE,
        "document": _DOCUMENT,
        "search_result": _SEARCH_RESULT,
        "thinking": thing({"thinking": text(required=True), "signature": text(required=True)}),
        "redacted_thinking": thing({"data": text(required=True)}),
        "tool_use": thing(
            {
                "id": _ID,
                "name": text(required=True, least=1, most=200),
                "input": thing(required=True),
                "cache_control": _CACHE,
                "caller": thing(),
                "toolset_name": text(null=True),
            }
        ),
        "tool_result": thing(
            {
                "tool_use_id": _ID,
                "content": text(either=(array(_IN_RESULT),)),
                "is_error": flag(),
                "cache_control": _CACHE,
                "toolset_name": text(null=True),
            }
        ),
        **dict.fromkeys(_THEIRS, thing()),
    },
)
_THEIR_TOOLS: Final = (
    "advisor_20260301", "bash_20241022", "bash_20250124",
    "browser_toolset_20260801", "code_execution_20250522", "code_execution_20250825",
    "code_execution_20260120", "code_execution_20260521", "computer_20241022", "computer_20250124", "computer_20251124",
    "computer_toolset_20260801", "mcp_toolset", "memory_20250818", "text_editor_20241022", "text_editor_20250124",
    "text_editor_20250429", "text_editor_20250728", "tool_search_tool_bm25_20251119", "tool_search_tool_regex_20251119",
    "web_fetch_20250910", "web_fetch_20260209", "web_fetch_20260309", "web_fetch_20260318", "web_search_20250305",
    "web_search_20260209", "web_search_20260318",
)  # fmt: skip
_TOOL: Final = one_of(
    "type",
    {
        "custom": thing(
            {
                "name": text(required=True, pattern="[a-zA-Z0-9_-]{1,128}"),
                "description": text(),
                "input_schema": thing(required=True),
                "cache_control": _CACHE,
                "strict": flag(null=True),
                "allowed_callers": array(text()),
                "defer_loading": flag(),
                "eager_input_streaming": flag(null=True),
                "input_examples": array(thing()),
            }
        ),
        **dict.fromkeys(_THEIR_TOOLS, thing()),
    },
    untold="custom",
)
_CHOICE: Final = one_of(
    "type",
    {
        "auto": thing({"disable_parallel_tool_use": flag()}),
        "any": thing({"disable_parallel_tool_use": flag()}),
        "tool": thing({"name": text(required=True), "disable_parallel_tool_use": flag()}),
        "none": thing({}),
    },
)
_DISPLAY: Final = choice("summarized", "omitted", null=True)
_THINKING: Final = one_of(
    "type",
    {
        "enabled": thing({"budget_tokens": whole(1024, required=True), "display": _DISPLAY}),
        "adaptive": thing({"display": _DISPLAY}),
        "disabled": thing({}),
    },
)
_FORMAT: Final = thing({"type": choice("json_schema", required=True), "schema": thing(required=True)}, null=True)

COUNTED: Final = thing(
    {
        "model": text(required=True, least=1, most=256),
        "messages": array(
            thing(
                {
                    "role": choice("user", "assistant", "system", required=True),
                    "content": text(required=True, either=(array(_BLOCK),)),
                }
            ),
            required=True,
        ),
        "system": text(either=(array(one_of("type", {"text": _TEXT})),)),
        "tools": array(_TOOL),
        "tool_choice": _CHOICE,
        "thinking": _THINKING,
        "cache_control": _CACHE,
        "output_config": thing(
            {"format": _FORMAT, "effort": choice("low", "medium", "high", "xhigh", "max", null=True)}
        ),
        "speed": choice("standard", "fast", null=True),
        "user_profile_id": text(),
        "workspace_id": text(),
    }
)
REQUEST: Final = thing(
    {
        **(COUNTED.fields or {}),
        "max_tokens": whole(1, required=True),
        "stream": flag(),
        "stop_sequences": array(text()),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": whole(0),
        "metadata": thing({"user_id": text(null=True, most=512)}),
        "service_tier": choice("auto", "standard_only"),
        "container": text(null=True, either=(thing(),)),
        "inference_geo": text(null=True),
        "diagnostics": thing(null=True),
    }
)

# by header `anthropic-beta`: the fields that it brings
BETAS: Final[dict[str, dict[str, Shape]]] = {
    "structured-outputs-2025-11-13": {"output_format": _FORMAT},
    "context-management-2025-06-27": {"context_management": thing(null=True)},
    "mcp-client-2025-04-04": {"mcp_servers": array(thing())},
    "mcp-client-2025-11-20": {"mcp_servers": array(thing())},
}
