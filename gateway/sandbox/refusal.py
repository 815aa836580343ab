"""What goes wrong, in no wire's words: an error that a request or a script brings about, before a wire writes it.

`code` and `param` are those of script.py's words (`insufficient_quota`, `context_length_exceeded`, …); a wire's own
file says which status, type and message go with them there.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]

JSON: Final[Headers] = (("content-type", "application/json"),)


class Bad(Exception):  # noqa: N818 - it reads as what the request is
    """A request that is refused. `message` is None where the wire has words for the code or the status."""

    def __init__(
        self,
        message: str | None,
        code: str | None = None,
        param: str | None = None,
        *,
        status: int = 400,
        allow: str = "",
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message or f"Status {status}.")
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.allow = allow  # the methods that a 405 names
        self.retry_after = retry_after  # for wires that say it in the body too
