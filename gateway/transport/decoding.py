"""Bodies that come compressed although identity was asked for: decoded, with a bound on what they grow to."""

from __future__ import annotations

import zlib
from typing import Final

from gateway.failure import Failed, Failure, Kind

_RATIO_MOST: Final = 200
_FREE: Final = 1 << 20


def _bad(message: str) -> Failed:
    return Failed(Failure(kind=Kind.BAD_RESPONSE, message=message))


class Decoder:
    """gzip or deflate. Output may be 1 MiB, or 200 times the input, whichever is more."""

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits)
        self._taken = 0
        self._given = 0

    def feed(self, data: bytes) -> bytes:
        """Decodes the next bytes; b"" is the end. Raises `Failed(bad_response)`."""
        self._taken += len(data)
        most = max(_FREE, self._taken * _RATIO_MOST) - self._given
        try:
            if not data:
                out = self._inflate.flush()
                if not self._inflate.eof:
                    raise _bad("the compressed body ended too early")
            else:
                out = self._inflate.decompress(data, most + 1)
        except zlib.error as error:
            raise _bad(f"the compressed body cannot be decoded: {error}") from None
        self._given += len(out)
        if len(out) > most or self._inflate.unconsumed_tail:
            raise _bad("the compressed body grows beyond any reason")
        return out


def decoder_for(encoding: str) -> Decoder:
    """The decoder of a content-encoding. Raises `Failed(bad_response)` for one that was not asked for and not known."""
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return Decoder(16 + zlib.MAX_WBITS)
    if name == "deflate":
        return Decoder(zlib.MAX_WBITS)
    raise _bad(f"the answer has the content-encoding {name!r}, which was not asked for")
