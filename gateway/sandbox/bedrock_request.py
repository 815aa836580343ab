"""A request on Bedrock's Converse wire → an `Ask`, or `Bad` in the words that Bedrock has for it.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (and what it says of each
block), and the sentences that the API was seen to answer. Checked beyond the shapes: the conversation begins with the
user and alternates, every toolUse has its toolResult in the very next message and no other, no text is blank, files
are the user's and have a text beside them, reasoning that comes back is signed as it was given out, and a schema that
answers are held to is of the kind that structured outputs take (user guide, structured-output.html).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.sandbox.bedrock_shape import CONVERSE, COUNT, read
from gateway.sandbox.content import Ask, Tool, tokens_of
from gateway.sandbox.refusal import Bad
from gateway.sandbox.script import name_of

_USERS: Final = ("image", "document", "video", "audio", "toolResult", "searchResult", "guardContent")
_ASSISTANTS: Final = ("toolUse", "reasoningContent", "citationsContent")
_FILE_NAME: Final = re.compile(r"[\w\-()\[\]]+(?:\s[\w\-()\[\]]+)*", re.ASCII)  # _ is taken, though not documented
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_UNSUPPORTED: Final[dict[str, tuple[str, ...]]] = {
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "string": ("minLength", "maxLength"),
    "array": ("maxItems",),
}
_CLAUDES: Final = ("thinking", "reasoning_config")
_BUDGET_LEAST: Final = 1024
_TOP_P_LEAST: Final = 0.95
_IMAGES_MOST: Final = 20
_FILES_MOST: Final = 5


def read_request(body: bytes) -> dict[str, Any]:
    """The body. Raises `Bad`."""
    return read(body, CONVERSE)


def signature_of(reasoning: str) -> str:
    """What reasoning is signed with."""
    return b64encode(sha256(reasoning.encode("utf-8", "replace")).digest()).decode()


def asked_to_think(request: dict[str, Any]) -> bool | None:
    """Whether the model's own fields say so, under one of Claude's two names or under Nova's; None where none does."""
    for name in (*_CLAUDES, "reasoningConfig"):
        said = request.get("additionalModelRequestFields", {}).get(name)
        if said is not None:
            _object(said, f"additionalModelRequestFields.{name}")
            return said.get("type") in ("enabled", "adaptive")
    return None


def read_ask(request: dict[str, Any], model: str) -> Ask:
    """What is asked. Raises `Bad`."""
    messages = _messages(request)
    tools = _tools(request)
    forced = _choice(request, tools)
    _thinking(request, forced)
    schema = _format(request)
    inference = request.get("inferenceConfig", {})
    last = messages[-1]["content"]
    said = "\n".join(block["text"] for block in last if "text" in block)
    results = tuple(_text_of(block["toolResult"]) for block in last if "toolResult" in block)
    return Ask(
        said=said,
        prompt_tokens=count(request),
        results=() if said else results,
        tools=tools,
        forced=forced,
        schema=schema,
        wants_json=schema is not None,
        most=inference.get("maxTokens"),
        stops=tuple(inference.get("stopSequences", ())),
        verbatim=name_of(model) == "echo",
    )


def read_count(body: bytes) -> int:
    """The tokens of what POST …/count-tokens is asked of. Raises `Bad`."""
    given = read(body, COUNT)["input"]
    if "converse" in given:
        _messages(given["converse"])
        _tools(given["converse"])
        return count(given["converse"])
    body_ = given["invokeModel"].get("body", "")
    return len(tokens_of(b64decode(body_).decode("utf-8", "replace")))


def count(request: dict[str, Any]) -> int:
    """The tokens of all texts."""
    texts = [block["text"] for block in request.get("system", ()) if "text" in block]
    blocks = [block for message in request["messages"] for block in message["content"]]
    texts += [_text_of(block["toolResult"]) if "toolResult" in block else block.get("text", "") for block in blocks]
    return sum(len(tokens_of(text)) for text in texts)


def _text_of(result: dict[str, Any]) -> str:
    """What a tool's result says."""
    parts = []
    for part in result["content"]:
        if "text" in part:
            parts.append(part["text"])
        elif "json" in part:
            parts.append(msgspec.json.encode(part["json"]).decode())
    return "\n".join(parts)


def _messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = request.get("messages", [])
    if not messages or messages[0]["role"] != "user":
        raise Bad(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    used: list[str] = []
    before = ""
    for at, message in enumerate(messages):
        where = f"messages.{at}"
        if message["role"] == before:
            raise Bad(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
        before = message["role"]
        if not message["content"]:
            raise Bad(
                f"The content field in the Message object at {where} is empty. Add a ContentBlock object to the "
                "content field and try again."
            )
        _content(message, where)
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if len(results) > len(used):
            raise Bad(
                f"The number of toolResult blocks at {where}.content exceeds the number of toolUse blocks of previous "
                "turn."
            )
        _owed([each for each in used if each not in results], where)
        used = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        if len(set(used)) < len(used):
            raise Bad(f"The toolUse blocks at {where}.content contain duplicate Ids: {', '.join(used)}")
        if (used or results) and "toolConfig" not in request:
            raise Bad("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    _owed(used, f"messages.{len(messages)}")
    return messages


def _owed(ids: list[str], where: str) -> None:
    if ids:
        raise Bad(f"Expected toolResult blocks at {where}.content for the following Ids: {', '.join(ids)}")


def _content(message: dict[str, Any], where: str) -> None:
    kinds = []
    for at, block in enumerate(message["content"]):
        (kind,) = block
        kinds.append(kind)
        here = f"{where}.content.{at}"
        if kind in (_ASSISTANTS if message["role"] == "user" else _USERS):
            raise Bad(f"The {kind} block at {here} is not permitted in a message with the role {message['role']}.")
        if kind == "text" and not block["text"].strip():
            raise Bad(
                f"The text field in the ContentBlock object at {here} is blank. Add text to the text field, and try "
                "again."
            )
        if kind == "toolUse":
            _object(block["toolUse"]["input"], f"{here}.toolUse.input")
        if kind == "toolResult":
            _result(block["toolResult"], f"{here}.toolResult")
        if kind == "document" and not _FILE_NAME.fullmatch(block["document"]["name"]):
            raise Bad(
                "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
                "parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
                "character."
            )
        if kind == "reasoningContent":
            _signed(block["reasoningContent"], here)
    if kinds.count("image") > _IMAGES_MOST or kinds.count("document") > _FILES_MOST:
        raise Bad(f"You can include up to {_IMAGES_MOST} images and {_FILES_MOST} documents in the message at {where}.")
    if "document" in kinds and "text" not in kinds:
        raise Bad(f"A text block is required at {where}.content when using documents.")


def _object(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise Bad(f"The format of the value at {where} is invalid. Provide a json object for the field and try again.")


def _result(result: dict[str, Any], where: str) -> None:
    for at, part in enumerate(result["content"]):
        if "json" in part:
            _object(part["json"], f"{where}.content.{at}.json")
    if result.get("status") == "error" and not result["content"]:
        raise Bad(f"The content field at {where} cannot be empty when status value is error.")


def _signed(block: dict[str, Any], where: str) -> None:
    reasoning = block.get("reasoningText", {})
    if "signature" in reasoning and reasoning["signature"] != signature_of(reasoning["text"]):
        raise Bad(f"The model returned the following errors: {where}: Invalid `signature` in `thinking` block")


def _tools(request: dict[str, Any]) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for at, tool in enumerate(request.get("toolConfig", {}).get("tools", ())):
        if "toolSpec" not in tool:
            continue  # a tool of Bedrock's own, or a place to cache
        spec, where = tool["toolSpec"], f"toolConfig.tools.{at}.toolSpec"
        schema = spec["inputSchema"]["json"]
        _object(schema, f"{where}.inputSchema.json")
        if schema.get("type") != "object":
            raise Bad(f"The value at {where}.inputSchema.json.type must be one of the following: object.")
        if spec.get("strict") is True:
            _strict(schema, f"tools.{at}.custom.input_schema")
        if spec["name"] in [each.name for each in found]:
            raise Bad(f"The tool name {spec['name']} at {where}.name is used more than once.")
        found.append(Tool(spec["name"], schema))
    return tuple(found)


def _choice(request: dict[str, Any], tools: tuple[Tool, ...]) -> str | None:
    """The tool that must be called."""
    choice = request.get("toolConfig", {}).get("toolChoice", {})
    if "any" in choice:
        return tools[0].name if tools else None
    if "tool" not in choice:
        return None
    name: str = choice["tool"]["name"]
    if name not in [tool.name for tool in tools]:
        raise Bad(f"The tool name {name} at toolConfig.toolChoice.tool.name is not defined in toolConfig.tools.")
    return name


def _thinking(request: dict[str, Any], forced: str | None) -> None:
    """What Claude takes beside thinking with a budget."""
    fields, inference = request.get("additionalModelRequestFields", {}), request.get("inferenceConfig", {})
    said: dict[str, Any] = next((fields[name] for name in _CLAUDES if isinstance(fields.get(name), dict)), {})
    if said.get("type") != "enabled":
        return
    budget, wrong = said.get("budget_tokens"), None
    if not isinstance(budget, int) or budget < _BUDGET_LEAST:
        wrong = f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_BUDGET_LEAST}"
    elif inference.get("maxTokens", budget + 1) <= budget:
        wrong = "`max_tokens` must be greater than `thinking.budget_tokens`."
    elif inference.get("temperature", 1) != 1:
        wrong = "`temperature` may only be set to 1 when thinking is enabled."
    elif inference.get("topP", 1) < _TOP_P_LEAST:
        wrong = "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    elif forced is not None:
        wrong = "Thinking may not be enabled when tool_choice forces tool use."
    if wrong is not None:
        raise Bad(f"The model returned the following errors: {wrong}")


def _format(request: dict[str, Any]) -> Any:
    """The schema of the answer."""
    format_ = request.get("outputConfig", {}).get("textFormat")
    if format_ is None:
        return None
    where = "outputConfig.textFormat.structure.jsonSchema.schema"
    try:
        schema = msgspec.json.decode(format_["structure"]["jsonSchema"]["schema"])
    except (msgspec.DecodeError, RecursionError):
        raise Bad(f"The value at {where} is not valid JSON.") from None
    _object(schema, where)
    _strict(schema, "output_config.format.schema")
    return schema


def _strict(schema: dict[str, Any], where: str) -> None:
    """A schema that answers are held to: it says of every object that it is closed, and has no bounds."""
    try:
        wrong = _not_strict(schema)
    except RecursionError:
        wrong = "Schema is too complex."
    if wrong is not None:
        raise Bad(f"The model returned the following errors: {where}: {wrong}")


def _not_strict(schema: Any) -> str | None:
    if not isinstance(schema, dict):
        return None
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if kind == "array" and schema.get("minItems", 0) not in (0, 1):
        return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
    for word in _UNSUPPORTED.get(kind, ()) if isinstance(kind, str) else ():
        if word in schema:
            return f"For '{kind}' type, property '{word}' is not supported"
    inner = [schema.get("items")]
    for word in ("properties", "$defs", "definitions"):
        inner += schema[word].values() if isinstance(schema.get(word), dict) else ()
    for word in ("anyOf", "allOf", "oneOf"):
        inner += schema[word] if isinstance(schema.get(word), list) else ()
    return next((wrong for wrong in map(_not_strict, inner) if wrong is not None), None)
