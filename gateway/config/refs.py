"""Typed references: `{env: NAME}`, `{env: NAME, default: …}`, `{file: PATH}`; and the secrets that they lead to.

There is no interpolation: a reference is a value of its own, its text is put into no other text. In a secret's place
a reference stays one, and its value travels apart from the configuration; everywhere else it is replaced by its
value before the field's own type is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, model_serializer

from gateway.diagnostics.suggest import closest

SECRET_MOST: Final = 64 << 10


class Ref(BaseModel):
    """Where a secret is: exactly one of `env` and `file`, or `none` for "there is no secret"."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    env: str | None = None
    file: str | None = None
    default: str | None = None
    none: bool = False

    @model_serializer
    def _written(self) -> dict[str, Any]:
        if self.none:
            return {"none": True}
        if self.file is not None:
            return {"file": self.file}
        return {"env": self.env} if self.default is None else {"env": self.env, "default": self.default}

    @property
    def key(self) -> str:
        """What names it among the secrets."""
        return f"env:{self.env}" if self.env is not None else f"file:{self.file}"


REFERENCE: Final[dict[str, Any]] = {
    "title": "Reference",
    "description": "A value that stands elsewhere: an environment variable or a file.",
    "oneOf": [
        {
            "type": "object",
            "properties": {
                "env": {"type": "string", "description": "The name of an environment variable."},
                "default": {"description": "What to take where the variable is not set."},
            },
            "required": ["env"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"file": {"type": "string", "description": "A path; relative to the file that names it."}},
            "required": ["file"],
            "additionalProperties": False,
        },
    ],
    "examples": [{"env": "OPENAI_API_KEY"}, {"file": "/run/secrets/openai"}],
}


def is_reference(value: Any) -> bool:
    """Whether a plain value is written as a reference: its name is text, or will be said to be none."""
    if not isinstance(value, dict) or set(value) not in ({"env"}, {"env", "default"}, {"file"}):
        return False
    return isinstance(value.get("env", value.get("file")), str)


class Secrets:
    """The values of secret references, by `Ref.key`. Never shown: neither by repr nor in a message.

    `made_up` are the keys of stand-ins; `marks` are digests of secrets whose values are not here but elsewhere.
    """

    def __init__(
        self, values: Mapping[str, str], *, made_up: Iterable[str] = (), marks: Mapping[str, str] | None = None
    ) -> None:
        self._values = dict(values)
        self._made_up = frozenset(made_up)
        self._marks = dict(marks or {})

    def value(self, ref: Ref) -> str:
        """The secret. Raises KeyError for a reference that was not resolved."""
        return self._values[ref.key]

    def knows(self, ref: Ref) -> bool:
        """Whether the secret itself, or its mark, is known."""
        return ref.key in self._marks or (ref.key in self._values and ref.key not in self._made_up)

    def mark(self, ref: Ref) -> str:
        """Eight hex digits of a secret's SHA-256: what a compiled program knows of it."""
        if ref.none:
            return mark_of("")
        return self._marks.get(ref.key) or mark_of(self._values[ref.key])

    def fingerprints(self) -> list[str]:
        """A short digest of each, ordered by key: equal secrets, equal fingerprints."""
        return [f"{key}={sha256(value.encode()).hexdigest()[:16]}" for key, value in sorted(self._values.items())]

    def __repr__(self) -> str:
        return f"Secrets({len(self._values)} of them, masked)"

    def handed_on(self) -> dict[str, str]:
        """The plain values, for the channel to a worker and nothing else."""
        return dict(self._values)


def mark_of(secret: str) -> str:
    """The mark of a value."""
    return sha256(secret.encode()).hexdigest()[:8]


class Unresolved(msgspec.Struct, frozen=True):
    """A reference that leads nowhere: a diagnostic's code and detail."""

    code: str
    detail: str
    suggestion: str | None = None


def plain_stand_in(reference: Mapping[str, Any]) -> str:
    """A value in the place of one that is no secret and not to be had. Other references, other values."""
    name = re.sub(r"[^a-z0-9]+", "-", str(reference.get("env") or reference.get("file")).lower()).strip("-")
    return f"http://{name[-50:].strip('-') or 'reference'}.unset.invalid"


def stand_in(ref: Ref) -> str:
    """A value in the place of a secret that is not to be had: every way of signing can be made of it, and it opens
    nothing. Equal references, equal values."""
    name = ref.env or ref.file or ""
    about = {"type": "service_account", "access_key_id": name, "secret_access_key": name}
    return json.dumps({**about, "tenant_id": name, "client_id": name, "client_secret": name})


class Resolver:
    """Looks references up: in an environment, and in files relative to `base`. Notes every file that it read.

    `stand_ins`: a reference outside of a secret's place that leads nowhere has a value of `plain_stand_in`.
    """

    def __init__(self, environ: Mapping[str, str], base: Path, *, stand_ins: bool = False) -> None:
        self._environ = environ
        self._base = base
        self._stand_ins = stand_ins
        self.files: dict[Path, None] = {}

    def text(self, env: str | None, file: str | None, default: str | None) -> str | Unresolved:
        """The text behind a reference. A file loses one newline at its end."""
        if env is not None:
            value = self._environ.get(env) if isinstance(env, str) else None
            if value is not None:
                return value
            if default is not None:
                return default
            near = closest(env, self._environ)
            return Unresolved(
                "unset-variable",
                f"The environment variable {env} is not set. Set it, or write a `default:` beside it.",
                f"did you mean {near}?" if near is not None else None,
            )
        path = self._base / str(file or "")
        if "\0" in str(path):
            return Unresolved("unreadable-secret", f"{str(path)!r} is no path: it has a NUL character.")
        self.files.setdefault(path)
        try:
            if path.exists() and not path.is_file():
                return Unresolved(
                    "unreadable-secret", f"{path} is {_kind_of(path)}. Name a file in which the secret is."
                )
            with path.open("rb") as opened:
                data = opened.read(SECRET_MOST + 1)
        except OSError as error:
            return Unresolved("unreadable-secret", f"{path} cannot be read: {error.strerror or error}.")
        if len(data) > SECRET_MOST:
            return Unresolved("unreadable-secret", f"{path} is larger than a secret is: {SECRET_MOST:,} bytes at most.")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return Unresolved("unreadable-secret", f"{path} is not UTF-8 text.")
        return text.removesuffix("\n").removesuffix("\r")

    def written(self, reference: Mapping[str, Any]) -> str | Unresolved:
        """The text behind a reference as it is written in the file."""
        default = reference.get("default")
        found = self.text(reference.get("env"), reference.get("file"), None if default is None else _as_text(default))
        return plain_stand_in(reference) if self._stand_ins and isinstance(found, Unresolved) else found

    def plain(self, reference: Mapping[str, Any]) -> str | None:
        """The text behind a written reference, None where it leads nowhere."""
        text = self.written(reference)
        return None if isinstance(text, Unresolved) else text


def _kind_of(path: Path) -> str:
    return "a directory" if path.is_dir() else "no file: a device, a pipe or a socket"


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
