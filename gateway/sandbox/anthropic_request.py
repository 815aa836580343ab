"""A request on Anthropic's wire → an `Ask`, or `Bad` in the sentence that Anthropic has for it.

Sources: https://platform.claude.com/docs/en/api/messages, /build-with-claude/extended-thinking, /structured-outputs,
/prompt-caching and /agents-and-tools/tool-use. The sandbox is a model from before system messages in a conversation,
so it refuses the role. A thinking block must come back as it was given: its signature is a hash of its text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import takewhile
from typing import Any, Final

import msgspec

from gateway.sandbox.anthropic_shape import BETAS, COUNTED, REQUEST, WORDS
from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of
from gateway.sandbox.shape import check, thing

_MARKS_MOST: Final = 4


def read_json(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """The body as an object. Raises `Bad`."""
    if "anthropic-version" not in headers:
        raise Bad("anthropic-version: header is required")
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Bad(f"The request body is not valid JSON: {wrong}") from None
    if not isinstance(request, dict):
        raise Bad("Input should be a valid dictionary or object to extract fields from")
    return request


def signature_of(thinking: str) -> str:
    """What vouches for a thinking block."""
    return base64.b64encode(sha256(thinking.encode("utf-8", "replace")).digest()).decode()


def read_ask(request: dict[str, Any], headers: Mapping[str, str], counted: bool = False) -> Ask:
    """What is asked; `counted` says that only its tokens are wanted. Raises `Bad`."""
    shape = COUNTED if counted else REQUEST
    betas = [name.strip() for name in headers.get("anthropic-beta", "").split(",")]
    added = {name: each for beta in betas for name, each in BETAS.get(beta, {}).items()}
    check(request, thing({**(shape.fields or {}), **added}), WORDS)
    messages = _messages(request["messages"])
    tools = _tools(request)
    _thinking(request, messages)
    _marks(request)
    may_call, forced = _choice(request, tools)
    for at, stop in enumerate(request.get("stop_sequences", ())):
        if not stop.strip():
            raise Bad(f"stop_sequences.{at}: each stop sequence must contain non-whitespace")
    last = messages[-1]
    results = [_result(block) for block in last["content"] if block["type"] == "tool_result"]
    texts = [block["text"] for block in last["content"] if block["type"] == "text"]
    return Ask(
        said="\n".join(texts or results),
        prompt_tokens=sum(len(tokens_of(text)) for text in _prompt(request)),
        results=tuple(results),
        tools=tools,
        forced=forced,
        may_call=may_call,
        parallel=request.get("tool_choice", {}).get("disable_parallel_tool_use") is not True,
        schema=_schema(request),
        most=request.get("max_tokens"),
        stops=tuple(request.get("stop_sequences", ())),
        verbatim=name_of(request["model"]) == "echo",
    )


def thinks(request: dict[str, Any]) -> bool:
    """Whether thinking was asked for."""
    return request.get("thinking", {}).get("type") in ("enabled", "adaptive")


def written(request: dict[str, Any]) -> tuple[int, str]:
    """The tokens before the last `cache_control`, and how long they are to be kept."""
    count, marked, kept = 0, 0, "5m"
    for block in _blocks(request):
        count += sum(len(tokens_of(text)) for text in _texts(block))
        if block.get("cache_control") is not None:
            marked, kept = count, block["cache_control"].get("ttl", "5m")
    if request.get("cache_control") is not None:
        marked, kept = count, request["cache_control"].get("ttl", "5m")
    return marked, kept


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, with a text as a block and turns of the same role as one."""
    if not messages:
        raise Bad("messages: at least one message is required")
    if messages[0]["role"] == "assistant":
        raise Bad('messages: first message must use the "user" role')
    turns: list[dict[str, Any]] = []
    for at, message in enumerate(messages):
        if message["role"] == "system":
            raise Bad("role 'system' is not supported on this model")
        content = message["content"]
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        last = at == len(messages) - 1
        if (not content or message["content"] == "") and not (last and message["role"] == "assistant"):
            raise Bad(
                f"messages.{at}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
        _content(at, message["role"], content)
        end = content[-1].get("text", "") if last and message["role"] == "assistant" and content else ""
        if end != end.rstrip():
            raise Bad("messages: final assistant content cannot end with trailing whitespace")
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        else:
            turns.append({"at": at, "role": message["role"], "content": list(content)})
    _pairing(turns)
    return turns


def _content(at: int, role: str, content: list[dict[str, Any]]) -> None:
    for number, block in enumerate(content):
        kind = block["type"]
        if kind == "text" and block["text"] == "" and (role == "user" or len(content) > 1):
            raise Bad("messages: text content blocks must be non-empty")
        if kind == "text" and block["text"] != "" and not block["text"].strip():
            raise Bad("messages: text content blocks must contain non-whitespace text")
        if kind in ("tool_use", "thinking", "redacted_thinking") and role == "user":
            raise Bad(f"messages.{at}: `{kind}` blocks can only be in `assistant` messages")
        if kind in ("tool_result", "image", "document") and role == "assistant":
            raise Bad(f"messages.{at}: `{kind}` blocks can only be in `user` messages")
        if kind == "thinking" and block["signature"] != signature_of(block["thinking"]):
            raise Bad(f"messages.{at}.content.{number}: Invalid `signature` in `thinking` block")
        if kind in ("image", "document"):
            _data(f"messages.{at}.content.{number}.{kind}", block["source"])


def _data(where: str, source: dict[str, Any]) -> None:
    if source["type"] == "url" and not source["url"].startswith(("https://", "http://")):
        raise Bad(f"{where}.source.url.url: Only HTTPS URLs are supported.")
    if source["type"] == "base64":
        try:
            base64.b64decode(source["data"], validate=True)
        except (binascii.Error, ValueError):
            raise Bad(f"{where}.source.base64: invalid base64 data") from None


def _pairing(turns: list[dict[str, Any]]) -> None:
    """Every tool call has one result, in the very next message and before anything else there."""
    seen: set[str] = set()
    owed: list[str] = []
    before = 0
    for turn in turns:
        at, content = turn["at"], turn["content"]
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        for number, block in enumerate(content):
            if block["type"] == "tool_result" and block["tool_use_id"] not in owed:
                raise Bad(
                    f"messages.{at}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in "
                    "the previous message."
                )
        twice = next((each for each in results if results.count(each) > 1), None)
        if twice is not None:
            raise Bad(
                f"messages.{at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: "
                f"{twice}"
            )
        leading = takewhile(lambda block: block["type"] == "tool_result", content)
        first = [block["tool_use_id"] for block in leading]
        lacking = [each for each in owed if each not in first]
        if lacking:
            raise _unanswered(before, lacking)
        owed = [block["id"] for block in content if block["type"] == "tool_use"]
        if len(set(owed)) < len(owed) or seen & set(owed):
            raise Bad(f"messages.{at}: `tool_use` ids must be unique")
        seen |= set(owed)
        before = at
    if owed:
        raise _unanswered(before, owed)


def _unanswered(at: int, lacking: list[str]) -> Bad:
    return Bad(
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(lacking)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
        "message."
    )


def _tools(request: dict[str, Any]) -> tuple[Tool, ...]:
    tools = []
    for at, tool in enumerate(request.get("tools", ())):
        if tool.get("type") not in (None, "custom"):
            continue
        schema, where = tool["input_schema"], f"tools.{at}.custom.input_schema"
        if "type" not in schema:
            raise Bad(f"{where}.type: Field required")
        if schema["type"] != "object":
            raise Bad(f"{where}.type: Input should be 'object'")
        if any(word in schema for word in ("oneOf", "allOf", "anyOf")):
            raise Bad(f"{where}: input_schema does not support oneOf, allOf, or anyOf at the top level")
        if tool.get("strict") is True:
            _closed(where, schema)
        tools.append(Tool(tool["name"], schema))
    if len({tool.name for tool in tools}) < len(tools):
        raise Bad("tools: Tool names must be unique.")
    return tuple(tools)


def _choice(request: dict[str, Any], tools: tuple[Tool, ...]) -> tuple[bool, str | None]:
    """Whether a tool may be called, and which must."""
    choice = request.get("tool_choice")
    if choice is None:
        return True, None
    if not request.get("tools"):
        raise Bad("tool_choice may only be specified while providing tools")
    if choice["type"] in ("any", "tool") and thinks(request):
        raise Bad("Thinking may not be enabled when tool_choice forces tool use.")
    if choice["type"] == "tool":
        if choice["name"] not in {tool.get("name") for tool in request["tools"]}:
            raise Bad(f"Tool '{choice['name']}' not found in provided tools")
        return True, choice["name"]
    return choice["type"] != "none", tools[0].name if choice["type"] == "any" and tools else None


def _thinking(request: dict[str, Any], turns: list[dict[str, Any]]) -> None:
    if request.get("thinking", {}).get("type") != "enabled":
        return
    budget, most = request["thinking"]["budget_tokens"], request.get("max_tokens")
    if most is not None and most <= budget:
        raise Bad(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
        )
    if request.get("temperature", 1) != 1:
        raise Bad("`temperature` may only be set to 1 when thinking is enabled.")
    if request.get("top_p", 1) < 0.95:
        raise Bad("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if "top_k" in request:
        raise Bad("`top_k` must be unset when thinking is enabled.")
    begun: dict[str, Any] | None = None  # the model's running turn; a tool loop is one
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            begun = turn
        elif not any(block["type"] == "tool_result" for block in turn["content"]):
            break
    if begun is None:
        return
    first = begun["content"][0]["type"] if begun["content"] else "text"
    if first not in ("thinking", "redacted_thinking"):
        raise Bad(
            f"messages.{begun['at']}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
            "(preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include "
            "thinking blocks from previous turns. To avoid this requirement, disable `thinking`."
        )


def _marks(request: dict[str, Any]) -> None:
    marked = [block for block in _blocks(request) if block.get("cache_control") is not None]
    count = len(marked) + (request.get("cache_control") is not None)
    if count > _MARKS_MOST:
        raise Bad(f"A maximum of {_MARKS_MOST} blocks with cache_control may be provided. Found {count}.")
    if any(block.get("type") == "text" and block["text"] == "" for block in marked):
        raise Bad("cache_control cannot be set for empty text blocks")


def _schema(request: dict[str, Any]) -> Any:
    """The schema of a structured answer, None where none is wanted."""
    format_ = request.get("output_config", {}).get("format")
    where = "output_config.format.schema"
    if format_ is None:
        format_, where = request.get("output_format"), "output_format.schema"
    if format_ is None:
        return None
    _closed(where, format_["schema"])
    return format_["schema"]


def _closed(where: str, schema: Any) -> None:
    """Every object of a strict schema says that it has no other properties."""
    if isinstance(schema, list):
        for each in schema:
            _closed(where, each)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Bad(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            for each in value.values():
                _closed(where, each)
        elif name in ("items", "anyOf", "allOf"):
            _closed(where, value)


def _blocks(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything that can carry `cache_control`, in the order of the prompt."""
    yield from request.get("tools", ())
    system = request.get("system", "")
    yield from [{"text": system}] if isinstance(system, str) else system
    for message in request["messages"]:
        content = message["content"]
        yield from [{"text": content}] if isinstance(content, str) else content


def _prompt(request: dict[str, Any]) -> Iterator[str]:
    for block in _blocks(request):
        yield from _texts(block)


def _texts(block: dict[str, Any]) -> Iterator[str]:
    """What of a block counts: its text, or that of a result."""
    if isinstance(block.get("text"), str):
        yield block["text"]
    elif block.get("type") == "tool_result":
        yield _result(block)


def _result(block: dict[str, Any]) -> str:
    content = block.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")
