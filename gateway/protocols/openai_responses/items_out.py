"""Input items, messages → wire: https://platform.openai.com/docs/api-reference/responses/create (`input`).

Thoughts are sent back only where OpenAI's own seal proves them: their text alone is refused.
"""

from __future__ import annotations

from typing import Any

from gateway.ir.chat import Declined, Extras, Media, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from gateway.protocols import media, tool_ids
from gateway.protocols.losses import Losses
from gateway.protocols.openai_responses import client_tools
from gateway.protocols.openai_responses.client_tools import ITEM, mark_of
from gateway.protocols.openai_responses.content import PART, annotation_of
from gateway.protocols.seals import OPENAI


class Writer:
    """Writes the items of messages. `same`: the request came in on this wire. `thinks`: thoughts are taken back.

    `files`: ids of files mean the same here, as they do between OpenAI's wires.
    """

    __slots__ = ("_custom", "files", "losses", "out", "same", "thinks")

    def __init__(self, losses: Losses, *, same: bool, thinks: bool, files: bool) -> None:
        self.losses = losses
        self.same = same
        self.thinks = thinks
        self.files = files
        self.out: list[dict[str, Any]] = []
        self._custom: set[str] = set()  # ids of custom calls, whose results say so too

    def write(self, message: Message) -> None:
        """The items of one message."""
        if message.name is not None:
            self.losses.drop("messages.name", "there are no names of participants here")
        mark = message.extras.get(ITEM) if self.same and message.extras else None
        if isinstance(mark, dict):
            self.out.append(mark)
        elif message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    self._result(part)
        elif message.role == "assistant":
            self._turn(message)
        else:
            out: dict[str, Any] = {"type": "message", "role": message.role, "content": self._content(message.parts)}
            self._own(message.extras, out)
            if out["content"] or self.same or message.parts:
                self.out.append(out)

    def _own(self, extras: Extras | None, out: dict[str, Any]) -> None:
        """Fields of the client's own wire, back on it or reported."""
        if not extras:
            return
        if not self.same:
            self.losses.extras(extras)
            return
        for name, value in extras.items():
            if name != ITEM:
                out.setdefault(name, value)

    def _content(self, parts: tuple[Part, ...]) -> Any:
        """A string for one plain text, parts for everything else."""
        if len(parts) == 1 and isinstance(parts[0], Text) and (not self.same or not parts[0].extras):
            return self._text(parts[0])["text"]
        return [written for part in parts if (written := self._part(part)) is not None]

    def _text(self, text: Text) -> dict[str, Any]:
        out: dict[str, Any] = {"type": "input_text", "text": text.text}
        if text.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        if text.signature is not None:
            self.losses.drop("text.signature", "there is no place for it here")
        self._own(text.extras, out)
        return out

    def _part(self, part: Part) -> dict[str, Any] | None:
        """One part of a user's, a system's or a result's content."""
        match part:
            case Text():
                return self._text(part)
            case Media():
                return self._media(part)
            case Declined(text):
                return {"type": "refusal", "refusal": text}
            case Opaque():
                if self.same:
                    return dict(part.raw)
                self.losses.drop(part.what, "only the client's own wire knows it")
        return None

    def _media(self, part: Media) -> dict[str, Any] | None:
        if part.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        if not self.same:
            media.report(part, self.losses, name=part.text is not None)
        if part.text is not None:
            self._own(part.extras, {})
            return {"type": "input_text", "text": part.text}
        url = part.url or (media.to_data_url(part.mime, part.data) if part.data is not None else None)
        out: dict[str, Any]
        attached = self.same and part.name is not None and part.detail is None  # came as a file, whatever is in it
        if part.file is not None and not self.files:
            self.losses.drop(part.kind, "a file that another provider keeps cannot be read here")
            return None
        if part.kind == "image" and not attached:
            out = {"type": "input_image"}
            if url is not None:
                out["image_url"] = url
            else:
                out["file_id"] = part.file
            if part.detail is not None or not self.same:
                out["detail"] = part.detail or "auto"
        elif part.kind == "document" or attached:
            out = {"type": "input_file"}
            if part.data is not None:
                out["filename"] = part.name or f"document.{media.ending(part.mime) or 'bin'}"
                out["file_data"] = url
            else:
                if part.name is not None and self.same:
                    out["filename"] = part.name
                out["file_url" if url is not None else "file_id"] = url or part.file
        elif self.same and part.data is not None:
            word = (part.mime or "audio/wav").partition("/")[2]
            out = {"type": "input_audio", "input_audio": {"data": part.data, "format": {"mpeg": "mp3"}.get(word, word)}}
        else:
            self.losses.drop(part.kind, f"{part.kind} cannot be said here")
            return None
        self._own(part.extras, out)
        return out

    def _turn(self, message: Message) -> None:
        """The model's turn: texts that follow one another are one item, everything else an item of its own."""
        item: dict[str, Any] | None = None
        more = len(message.parts) > 1
        for part in message.parts:
            if isinstance(part, Text | Declined) or (isinstance(part, Opaque) and part.what.startswith(PART)):
                written = self._said(part)
                if written is None or (not self.same and isinstance(part, Text) and not part.text and more):
                    continue
                own = part.extras.get(ITEM) if isinstance(part, Text) and part.extras and self.same else None
                if item is None or own is not None:
                    item = {"type": "message", "role": "assistant", "content": [], **(own or {})}
                    self.out.append(item)
                item["content"].append(written)
                continue
            item = None
            match part:
                case ToolCall():
                    self._call(part)
                case Reasoning():
                    self._thought(part)
                case Opaque():
                    if self.same:
                        self.out.append(dict(part.raw))
                    else:
                        self.losses.drop(part.what, "only the client's own wire knows it")
                case Media():
                    self.losses.drop(part.kind, "media in the model's own turns cannot be said here")

    def _said(self, part: Text | Declined | Opaque) -> dict[str, Any] | None:
        if not isinstance(part, Text):
            return self._part(part)
        out = {**self._text(part), "type": "output_text"}
        rows = []
        for citation in part.citations:
            row = annotation_of(citation, part.text, same=self.same)
            if row is None:
                self.losses.drop("citations", "citations have URLs on this wire")
            else:
                rows.append(row)
        if rows:
            out["annotations"] = rows
        return out

    def _thought(self, thought: Reasoning) -> None:
        seal = thought.signature
        mine = seal is not None and seal.family == OPENAI
        bare = seal is None and thought.redacted is None
        if not self.thinks or not (mine or (bare and self.same)):
            why = "it is not sealed" if bare else "another family of models sealed it"
            self.losses.drop("reasoning", why if self.thinks else "this model is not known to take thoughts back")
            return
        out: dict[str, Any] = {"type": "reasoning"}
        id_ = seal.id if seal is not None and seal.id is not None else thought.id
        if id_ is not None:
            out["id"] = id_
        out["summary"] = [{"type": "summary_text", "text": text} for text in thought.summary]
        if thought.text and not thought.summary:
            if self.same:
                out["content"] = [{"type": "reasoning_text", "text": thought.text}]
            else:
                out["summary"] = [{"type": "summary_text", "text": thought.text}]
        if seal is not None:
            out["encrypted_content"] = seal.value
        self._own(thought.extras, out)
        self.out.append(out)

    def _id(self, id_: str) -> str:
        return id_ if self.same else tool_ids.fit(id_)

    def _call(self, call: ToolCall) -> None:
        id_ = self._id(call.id)
        if call.signature is not None:
            self.losses.drop("tool_call.signature", "there is no place for it here")
        if call.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        mark = mark_of(call.extras) if self.same else {}
        kind = mark.get("type")
        if kind == "local_shell_call":
            action = client_tools.action_of(client_tools.object_of(call.arguments))
            self.out.append({**mark, "call_id": id_, "action": action})
            return
        if kind == "tool_search_call":
            self.out.append({**mark, "call_id": id_, "arguments": client_tools.object_of(call.arguments)})
            return
        out: dict[str, Any] = {"type": "custom_tool_call" if call.custom else "function_call", "call_id": id_}
        if call.custom:
            self._custom.add(id_)
        out["name"] = mark.get("name", call.name)
        if "namespace" in mark:
            out["namespace"] = mark["namespace"]
        out["input" if call.custom else "arguments"] = call.arguments
        self._own(call.extras, out)
        self.out.append(out)

    def _result(self, result: ToolResult) -> None:
        id_ = self._id(result.call)
        if result.error:
            self.losses.drop("tool_result.is_error", "there is no field for it here")
        if result.cache is not None:
            self.losses.drop("cache_control", "prompts are cached here without marks")
        mark = mark_of(result.extras) if self.same else {}
        if mark.get("type") == "tool_search_output":
            self.out.append(mark)
            return
        custom = result.custom or id_ in self._custom
        output: Any = self._content(result.content) if result.content else ""
        out: dict[str, Any] = {
            "type": mark.get("type") or ("custom_tool_call_output" if custom else "function_call_output"),
            "call_id": id_,
            "output": output,
        }
        if mark:
            out.update((name, value) for name, value in mark.items() if name != "type")
        self._own(result.extras, out)
        self.out.append(out)
