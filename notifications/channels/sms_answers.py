"""What readers of SMS answer: that they want no more, or want them again. PURE.

Source:
    https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out (`OptOutType`), and the words that Twilio
    knows without it, read 2026-11.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Wish(StrEnum):
    """What a reader asks for."""

    STOP = "STOP"
    START = "START"


#: Twilio takes a word only where it is the whole message, in capitals or not.
_WORDS = {
    Wish.STOP: ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"),
    Wish.START: ("START", "YES", "UNSTOP"),
}
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


def wish_of(opt_out_type: str, text: str) -> Wish | None:
    """Return what a reader asks for; None when it is neither the one nor the other.

    Args:
        opt_out_type: What Twilio made of the message (`OptOutType`), which knows the words of the account; "" where
            it says nothing.
        text: The message.
    """
    said = (opt_out_type or text).strip().upper()
    if opt_out_type:
        return next((wish for wish in Wish if wish.value == said), None)
    return next((wish for wish, words in _WORDS.items() if said in words), None)


def is_number(sender: str) -> bool:
    """Return whether a message came from a telephone number (E.164), not from a name or another service."""
    return _NUMBER.fullmatch(sender) is not None
