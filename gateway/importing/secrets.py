"""Credentials of a source: references stay references, literals become `{env: NAME}` and are never shown or written.

A name is suggested from what the credential is for. The same literal twice gets one name, another literal for the
same purpose the next one. What looks like a credential where none belongs is treated as one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.config.checks.secrets import looks_secret
from gateway.importing.imported import Account, Path, Verdict

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = re.compile(
    r"(?i)(^|[_.-])(api_?key|key|token|secret|password|passwd|credentials?|authorization|auth|cookie)s?$"
)


def is_variable(name: str) -> bool:
    """Whether a text can be the name of an environment variable."""
    return _NAME.fullmatch(name) is not None


def variable(*words: str) -> str:
    """The name of an environment variable made of words: `azure-eu`, `API_KEY` → `AZURE_EU_API_KEY`."""
    joined = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(words)).strip("_").upper()
    return joined if joined[:1].isalpha() else f"KEY_{joined}".rstrip("_")


def secretive(name: str) -> bool:
    """Whether a key's name says that its value is a credential."""
    return _WORDS.search(name) is not None


def holds_secret(value: Any, name: str = "") -> bool:
    """Whether a plain value is, or has inside, what looks like a credential or is named as one."""
    todo: list[tuple[str, Any]] = [(name, value)]
    while todo:
        key, inner = todo.pop()
        if isinstance(inner, dict):
            todo.extend((str(each), inner[each]) for each in inner)
        elif isinstance(inner, list):
            todo.extend((key, each) for each in inner)
        elif isinstance(inner, str) and (looks_secret(inner) or (inner and secretive(key))):
            return True
    return False


# How the systems write a reference: `os.environ/NAME`, `env.NAME`, `$NAME`, `${NAME}`.
_REFERENCE: Final = re.compile(r"(?:os\.environ/|env\.|\$\{?)([A-Za-z_][A-Za-z0-9_]*)\}?")


class Names:
    """Hands out the names of variables for literals; none that the source refers to itself."""

    def __init__(self, tree: Any = None) -> None:
        self._by_literal: dict[tuple[str, str], str] = {}
        self._taken: dict[str, str] = {}
        todo = [tree]
        while todo:
            value = todo.pop()
            if isinstance(value, dict | list):
                todo.extend(value.values() if isinstance(value, dict) else value)
            elif isinstance(value, str) and (match := _REFERENCE.fullmatch(value)):
                self.take(match[1])

    def take(self, name: str) -> None:
        """Notes a name that the source itself refers to: no literal gets it."""
        self._taken.setdefault(name, "")

    def of(self, literal: str, wish: str) -> str:
        """The name for a literal."""
        known = self._by_literal.get((literal, wish))
        if known is not None:
            return known
        name, count = wish, 1
        while name in self._taken and self._taken[name] != literal:
            count += 1
            name = f"{wish}_{count}"
        self._taken[name] = literal
        self._by_literal[(literal, wish)] = name
        return name


def credential(
    account: Account, names: Names, path: Path, value: Any, env: str | None, wish: str, place: Path
) -> dict[str, str]:
    """The reference for a credential at `path`, and its finding. `env`: the variable that the source refers to."""
    if env is not None and is_variable(env):
        names.take(env)
        account.exact(path, place)
        return {"env": env}
    name = names.of(str(value), wish)
    why = "It is written out in the source" if env is None else f"{env!r} is no name of a variable"
    account.say(path, Verdict.MANUAL, f"{why}: put it into the environment variable {name}.", place)
    return {"env": name}
