"""What an SMS costs: its alphabet, its parts packed as the network packs them, accents by choice."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

#: The default alphabet, in its order without the escape (3GPP TS 23.038 6.2.1).
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Reached through the escape: two septets each (3GPP TS 23.038 6.2.1.1).
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
#: Twilio refuses longer bodies (error 21617).
LONGEST_BODY = 1600


class Encoding(StrEnum):
    """The alphabet of a message."""

    GSM_7 = "GSM-7"
    #: One letter outside GSM-7 is enough to need it.
    UCS_2 = "UCS-2"


#: What fits: units (septets, or UTF-16 code units) in a message of one part, and in each part of a longer one.
CAPACITY = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}

# Punctuation that looks like what GSM-7 has; nobody misses the difference on a telephone.
_PUNCTUATION = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "•": "-",
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
        "‘": "'", "’": "'", "‚": "'", "´": "'", "`": "'",
        "…": "...", "→": "->", "\t": " ", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
        "\u200b": "", "\u200d": "", "\ufeff": "", "\u00ad": "",
    }
)  # fmt: skip
# Letters that Unicode does not take apart.
_LETTERS = str.maketrans(
    {
        "º": "o", "ª": "a", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d",
        "ŋ": "n", "Ŋ": "N", "ŧ": "t", "Ŧ": "T", "ẞ": "SS", "ı": "i",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Count:
    """What an SMS takes."""

    encoding: Encoding
    #: What is sent and billed, 1 or more.
    parts: int
    #: Septets (GSM-7) or UTF-16 code units (UCS-2), without headers.
    units: int


def encoding_of(text: str) -> Encoding:
    """Return the alphabet that the text needs."""
    return Encoding.GSM_7 if set(text) <= GSM_BASIC | GSM_EXTENSION else Encoding.UCS_2


def count(text: str) -> Count:
    """Return encoding, parts and units of an SMS.

    Parts are packed, not divided: an escape with its letter, and the two halves of a character beyond
    U+FFFF, stay together, so a part can be left with a unit to spare.

    Raises:
        ValueError: If the text is empty: an empty alert is a bug, never a send.

    Source:
        3GPP TS 23.038 6.2.1 (alphabet, escapes), TS 23.040 9.2.3.24.1 (header of 6 octets in each part).

    >>> count("a" * 160).parts, count("a" * 161).parts, count("ã" * 71).parts
    (1, 2, 2)
    >>> count("a" * 152 + "€" + "a" * 152).parts  # 306 septets are not 2 x 153 here
    3
    """
    if not text:
        raise ValueError("an SMS must not be empty")
    encoding = encoding_of(text)
    sizes = _sizes(text, encoding)
    units = sum(sizes)
    single, each = CAPACITY[encoding]
    return Count(encoding, 1 if units <= single else _packed(sizes, each), units)


def _sizes(text: str, encoding: Encoding) -> list[int]:
    if encoding is Encoding.GSM_7:
        return [2 if character in GSM_EXTENSION else 1 for character in text]
    return [2 if ord(character) > 0xFFFF else 1 for character in text]


def _packed(sizes: Iterable[int], capacity: int) -> int:
    parts, room = 0, 0
    for size in sizes:
        if size > room:
            parts, room = parts + 1, capacity
        room -= size
    return parts


def plain(text: str) -> str:
    """Return the text with typographic punctuation and spaces made plain; letters stay."""
    return unicodedata.normalize("NFC", text).translate(_PUNCTUATION)


def fold(text: str) -> str:
    """Return the text in GSM-7: letters that it has stay, others lose their accents, the rest is `?`.

    >>> fold("Intervenção às 14:00 – PEM indisponível, 20 €")
    'Intervencao às 14:00 - PEM indisponivel, 20 €'
    """
    return "".join(_folded(character) for character in plain(text))


def _folded(character: str) -> str:
    if character in GSM_BASIC or character in GSM_EXTENSION:
        return character
    bare = "".join(
        part
        for part in unicodedata.normalize("NFKD", character.translate(_LETTERS))
        if not unicodedata.combining(part)
    )
    return "".join(part if part in GSM_BASIC or part in GSM_EXTENSION else "?" for part in bare)


def shorten(text: str, most: int) -> str:
    """Return at most `most` characters of the text, cut between words, with `...` where it was cut.

    >>> shorten("Hardware will be replaced", 20)
    'Hardware will be...'
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    kept = text[: most - 2].rpartition(" ")[0] or text[: most - 3]
    return kept.rstrip(" ,;:.-") + "..."
