"""Which fields OpenAI's Responses API has, and the words in which it refuses others.

Sources: https://platform.openai.com/docs/api-reference/responses/create and the types of OpenAI's Python SDK; the
sentences are those that the API was seen to answer. Tools and items that OpenAI runs by itself are taken as they come.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.sandbox.refusal import Bad
from gateway.sandbox.shape import Shape, Where, anything, array, choice, flag, number, one_of, text, thing, whole

_KINDS: Final = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a decimal",
    "object": "an object",
    "string": "a string",
}
_MOVED: Final = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}


def spell(where: Where) -> str:
    """`input[0].content`."""
    spelled = ""
    for step in where:
        spelled += f"[{step}]" if isinstance(step, int) else f".{step}" if spelled else step
    return spelled


def listed(values: tuple[Any, ...]) -> str:
    """`'a', 'b', and 'c'`."""
    quoted = [f"'{each}'" for each in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return f"{', '.join(quoted[:-1])}, and {quoted[-1]}"


def kind_of(value: Any) -> str:
    """What a value is called."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = ((int, "an integer"), (float, "a decimal"), (str, "a string"), (list, "an array"), (dict, "an object"))
    return next(name for kind, name in names if isinstance(value, kind))


class _Words:
    """See `shape.Words`."""

    def kind(self, where: Where, value: Any, shape: Shape) -> Bad:
        wanted = [_KINDS[each.kind] for each in (shape, *shape.either)]
        expected = wanted[0] if len(wanted) == 1 else f"one of {' or '.join(wanted)}"
        at = spell(where)
        return Bad(
            f"Invalid type for '{at}': expected {expected}, but got {kind_of(value)} instead.", "invalid_type", at
        )

    def missing(self, where: Where) -> Bad:
        return Bad(f"Missing required parameter: '{spell(where)}'.", "missing_required_parameter", spell(where))

    def unknown(self, where: Where, name: str) -> Bad:
        at = spell((*where, name))
        if not where and name in _MOVED:
            return Bad(
                f"Unsupported parameter: '{at}'. In the Responses API, this parameter has moved to '{_MOVED[name]}'. "
                "Try again with the new parameter. See the API documentation for more information: "
                "https://platform.openai.com/docs/api-reference/responses/create.",
                "unsupported_parameter",
                at,
            )
        return Bad(f"Unknown parameter: '{at}'.", "unknown_parameter", at)

    def range(self, where: Where, value: Any, shape: Shape) -> Bad:
        at, low = spell(where), shape.low is not None and value < shape.low
        kind = "integer" if shape.kind == "integer" else "decimal"
        bound, sign = (shape.low, ">=") if low else (shape.high, "<=")
        side, code = ("below minimum", "below_min") if low else ("above maximum", "above_max")
        return Bad(
            f"Invalid '{at}': {kind} {side} value. Expected a value {sign} {bound:g}, but got {value} instead.",
            f"{kind}_{code}_value",
            at,
        )

    def choice(self, where: Where, value: Any, choices: tuple[Any, ...]) -> Bad:
        return Bad(f"Invalid value: '{value}'. Supported values are: {listed(choices)}.", "invalid_value", spell(where))

    def length(self, where: Where, value: Any, shape: Shape) -> Bad:
        at = spell(where)
        if shape.pattern is not None:
            return Bad(
                f"Invalid '{at}': string does not match pattern. Expected a string that matches the pattern "
                f"'^{shape.pattern}$'.",
                "invalid_value",
                at,
            )
        kind = "string" if shape.kind == "string" else "array"
        if len(value) >= shape.least:
            return Bad(
                f"Invalid '{at}': {kind} too long. Expected {_KINDS[kind]} with maximum length {shape.most}, but got "
                f"{_KINDS[kind]} with length {len(value)} instead.",
                f"{kind}_above_max_length",
                at,
            )
        return Bad(
            f"Invalid '{at}': empty {kind}. Expected {_KINDS[kind]} with minimum length {shape.least}, but got an "
            f"empty {kind} instead.",
            f"empty_{kind}",
            at,
        )

    def variant(self, where: Where, tag: str, value: Any, known: tuple[str, ...]) -> Bad:
        return self.choice((*where, tag), value, known)

    def inside(self, where: Where, variant: str) -> Where:
        return where


WORDS: Final = _Words()

_BREAKPOINT: Final = thing()
_INPUTS: Final = {
    "input_text": thing({"text": text(required=True), "prompt_cache_breakpoint": _BREAKPOINT}),
    "input_image": thing(
        {
            "image_url": text(null=True),
            "file_id": text(null=True),
            "detail": choice("low", "high", "auto", "original"),
            "prompt_cache_breakpoint": _BREAKPOINT,
        }
    ),
    "input_file": thing(
        {
            "file_data": text(null=True),
            "file_id": text(null=True),
            "file_url": text(null=True),
            "filename": text(null=True),
            "detail": choice("auto", "low", "high"),
            "prompt_cache_breakpoint": _BREAKPOINT,
        }
    ),
}
OUTPUTS: Final = {
    "output_text": thing(
        {
            "text": text(required=True),
            "annotations": array(thing(), null=True),
            "logprobs": array(thing(), null=True),
        }
    ),
    "refusal": thing({"refusal": text(required=True)}),
}
INPUT_PARTS: Final = tuple(_INPUTS)
_STATUS: Final = choice("in_progress", "completed", "incomplete", null=True)
_THEIRS: Final = (
    "file_search_call", "web_search_call", "computer_call", "computer_call_output", "image_generation_call",
    "code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
    "apply_patch_call", "apply_patch_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response",
    "mcp_call", "custom_tool_call", "custom_tool_call_output", "tool_search_call", "tool_search_output",
    "additional_tools", "compaction", "compaction_trigger", "program", "program_output",
)  # fmt: skip
_ITEM: Final = one_of(
    "type",
    {
        "message": thing(
            {
                "role": choice("assistant", "system", "developer", "user", required=True),
                "content": text(required=True, either=(array(one_of("type", {**_INPUTS, **OUTPUTS})),)),
                "id": text(null=True),
                "status": _STATUS,
                "phase": choice("commentary", "final_answer", null=True),
            }
        ),
        "function_call": thing(
            {
                "call_id": text(required=True, least=1, most=64),
                "name": text(required=True, pattern="[a-zA-Z0-9_-]{1,128}"),
                "arguments": text(required=True),
                "id": text(null=True),
                "status": _STATUS,
                "namespace": text(null=True),
                "caller": thing(null=True),
            }
        ),
        "function_call_output": thing(
            {
                "call_id": text(required=True, least=1, most=64),
                "output": text(required=True, either=(array(one_of("type", _INPUTS)),)),
                "id": text(null=True),
                "status": _STATUS,
                "name": text(null=True),
                "namespace": text(null=True),
                "caller": thing(null=True),
            }
        ),
        "reasoning": thing(
            {
                "summary": array(one_of("type", {"summary_text": thing({"text": text(required=True)})}), required=True),
                "id": text(null=True),
                "content": array(one_of("type", {"reasoning_text": thing({"text": text(required=True)})}), null=True),
                "encrypted_content": text(null=True),
                "status": _STATUS,
            }
        ),
        "item_reference": thing({"id": text(required=True)}),
        **dict.fromkeys(_THEIRS, thing()),
    },
    untold="message",
)
_TOOL: Final = one_of(
    "type",
    {
        "function": thing(
            {
                "name": text(required=True, pattern="[a-zA-Z0-9_-]{1,128}"),
                "parameters": thing(null=True),
                "strict": flag(null=True),
                "description": text(null=True),
                "defer_loading": flag(),
                "allowed_callers": array(text(), null=True),
                "output_schema": thing(null=True),
            }
        ),
        **dict.fromkeys(
            (
                "file_search", "web_search", "web_search_2025_08_26", "web_search_preview",
                "web_search_preview_2025_03_11", "computer", "computer_use_preview", "mcp", "code_interpreter",
                "image_generation", "local_shell", "shell", "custom", "namespace", "tool_search", "apply_patch",
            ),
            thing(),
        ),
    },
)  # fmt: skip
_FORMAT: Final = one_of(
    "type",
    {
        "text": thing({}),
        "json_object": thing({}),
        "json_schema": thing(
            {
                "name": text(required=True, pattern="[a-zA-Z0-9_-]{1,64}"),
                "schema": thing(required=True),
                "description": text(null=True),
                "strict": flag(null=True),
            }
        ),
    },
)
_CHOICES: Final = ("none", "auto", "required")
_CHOICE: Final = text(
    choices=_CHOICES,
    either=(
        one_of(
            "type",
            {
                "function": thing({"name": text(required=True)}),
                "allowed_tools": thing(
                    {"mode": choice("auto", "required", required=True), "tools": array(thing(), required=True)}
                ),
                **dict.fromkeys(("custom", "mcp", "file_search", "web_search_preview", "code_interpreter"), thing()),
                **dict.fromkeys(("computer_use_preview", "image_generation", "apply_patch", "shell"), thing()),
            },
        ),
    ),
)
_INCLUDED: Final = (
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    "reasoning.encrypted_content", "message.output_text.logprobs",
)  # fmt: skip

COUNTED: Final = thing(
    {
        "model": text(required=True),
        "input": text(either=(array(_ITEM),)),
        "instructions": text(null=True),
        "conversation": text(null=True, either=(thing(),)),
        "parallel_tool_calls": flag(null=True),
        "previous_response_id": text(null=True),
        "reasoning": thing(
            {
                "effort": choice("none", "minimal", "low", "medium", "high", "xhigh", "max", null=True),
                "summary": choice("auto", "concise", "detailed", null=True),
                "generate_summary": choice("auto", "concise", "detailed", null=True),
                "context": anything(),
                "mode": anything(),
            },
            null=True,
        ),
        "text": thing({"format": _FORMAT, "verbosity": choice("low", "medium", "high", null=True)}),
        "tool_choice": _CHOICE,
        "tools": array(_TOOL),
        "truncation": choice("auto", "disabled", null=True),
    }
)
REQUEST: Final = thing(
    {
        **(COUNTED.fields or {}),
        "background": flag(null=True),
        "context_management": array(thing(), null=True),
        "include": array(choice(*_INCLUDED), null=True),
        "max_output_tokens": whole(16, null=True),
        "max_tool_calls": whole(1, null=True),
        "metadata": thing(null=True),
        "moderation": thing(null=True),
        "prompt": thing(null=True),
        "prompt_cache_key": text(null=True),
        "prompt_cache_options": thing(),
        "prompt_cache_retention": choice("in_memory", "in-memory", "24h", null=True),
        "safety_identifier": text(null=True),
        "service_tier": choice("auto", "default", "flex", "scale", "priority", "fast", null=True),
        "store": flag(null=True),
        "stream": flag(null=True),
        "stream_options": thing({"include_obfuscation": flag()}, null=True),
        "temperature": number(0, 2, null=True),
        "top_logprobs": whole(0, 20, null=True),
        "top_p": number(0, 1, null=True),
        "user": text(null=True),
    }
)
