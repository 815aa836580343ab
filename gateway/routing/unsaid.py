"""The tokens of an answer whose provider did not say them, or was not let: a stated rule, marked as an estimate.

The prompt is counted by `ir/estimate.py`. Of a stream each event counts a token, since that is how most providers cut
them; where events are larger than an event with one token is, what is larger counts a token for four bytes. A whole
answer counts a token for four bytes beyond its envelope. Ledger, budgets and limits all use this one number.
"""

from __future__ import annotations

from typing import Final

from gateway.failure import Refused
from gateway.ir.estimate import prompt_tokens
from gateway.ir.usage import Usage
from gateway.routing.sending import Job

_EVENT: Final = 400  # bytes of an event that carries one token, as the longest that providers send
_ENVELOPE: Final = 300  # bytes of a whole answer beside its content
_READ_MOST: Final = 256 << 10  # bytes of a prompt that is read to be counted; of larger ones four are a token


def unsaid(job: Job, sent: int, events: int) -> Usage:
    """What `sent` bytes of an answer, in so many events (0: a whole one), and their prompt amount to."""
    least = events or min(sent, 1)
    envelope = _EVENT * events if events else _ENVELOPE
    return Usage(input=prompt_of(job), output=max(least, (sent - envelope) // 4), estimated=True)


def prompt_of(job: Job) -> int:
    """Tokens of a prompt, estimated."""
    if len(job.head.body) > _READ_MOST:
        return len(job.head.body) // 4
    try:
        return prompt_tokens(job.request())
    except Refused:
        return len(job.head.body) // 4
