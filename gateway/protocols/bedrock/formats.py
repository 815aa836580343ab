"""Structured answers: how they are asked for.

A schema that is not enforced (anthropic/schemas.py), and any model without the feature, gets a tool whose arguments are
the answer. Source: https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.ir.chat import Format
from gateway.protocols.reading import compact

ANSWER_TOOL: Final = "structured_answer"


def text_format(format_: Format, schema: Any) -> dict[str, Any]:
    """`outputConfig.textFormat`; the schema is JSON text there."""
    inner = {"schema": compact(schema)}
    if format_.name:
        inner["name"] = format_.name
    if format_.description:
        inner["description"] = format_.description
    return {"type": "json_schema", "structure": {"jsonSchema": inner}}


def answer_tool(format_: Format, schema: dict[str, Any], taken: set[str]) -> tuple[str, dict[str, Any]]:
    """(name, tool) that stands for the answer; the name is none of `taken`."""
    name = ANSWER_TOOL
    while name in taken:
        name += "_"
    description = format_.description or "Gives the answer. Call it once, at the end, with the whole answer."
    return name, {"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}}
