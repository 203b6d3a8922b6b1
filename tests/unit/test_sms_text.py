"""SMS: alphabet, parts, accents (the facts are in 3GPP TS 23.038 and Twilio's calculator)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.sms_text import (
    GSM_BASIC,
    GSM_EXTENSION,
    Encoding,
    count,
    encoding_of,
    fold,
    plain,
    shorten,
)


@pytest.mark.parametrize(
    ("letters", "encoding"),
    [
        ("àéüÇÉÜ€", Encoding.GSM_7),
        ("æøåéèòÆØÅÉ", Encoding.GSM_7),
        ("äöüßÄÖÜ", Encoding.GSM_7),
        ("^{}\\[]~|\f\n\r", Encoding.GSM_7),
        *[(letter, Encoding.UCS_2) for letter in "áâãçêíóôõúÁÀÂÃÊÍÓÔÕÚºªëïôœûÿščđ–—…’“”\t\u00a0😀ẞ"],
    ],
)
def test_one_letter_outside_gsm_7_makes_the_message_ucs_2(letters: str, encoding: Encoding) -> None:
    assert encoding_of(letters) is encoding


def test_alphabet_has_127_letters_beside_the_escape_and_10_behind_it() -> None:
    assert len(GSM_BASIC) == 127
    assert len(GSM_EXTENSION) == 10


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("€" * 152, 2),
        ("€" * 153, 3),  # 76 pairs to a part, a septet to spare in each
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ã" * 70, 1),
        ("ã" * 71, 2),
        ("ã" * 134, 2),
        ("ã" * 135, 3),
        ("ã" * 66 + "😀" + "ã" * 66, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),  # 33 to a part
    ],
)
def test_parts_are_packed_and_pairs_stay_together(text: str, parts: int) -> None:
    assert count(text).parts == parts


def _parts_by_hand(text: str) -> int:
    """Cut the encoded units part by part, stepping back where a pair would be cut; shares no code with `count`."""
    if all(c in GSM_BASIC or c in GSM_EXTENSION for c in text):
        units = "".join("\x1b" + c if c in GSM_EXTENSION else c for c in text)
        single, each, halves = 160, 153, "\x1b"
    else:
        raw = text.encode("utf-16-be", "surrogatepass")
        units = "".join(chr(int.from_bytes(raw[i : i + 2], "big")) for i in range(0, len(raw), 2))
        single, each, halves = 70, 67, "".join(map(chr, range(0xD800, 0xDC00)))
    if len(units) <= single:
        return 1
    parts = 0
    while units:
        cut = each
        if len(units) > cut and units[cut - 1] in halves:
            cut -= 1
        units, parts = units[cut:], parts + 1
    return parts


@given(
    st.one_of(
        st.text(st.sampled_from("ab€[é\n"), min_size=1, max_size=500),
        st.text(st.sampled_from("aã😀€"), min_size=1, max_size=300),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    )
)
def test_count_agrees_with_cutting_the_units_by_hand(text: str) -> None:
    assert count(text).parts == _parts_by_hand(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_folded_text_is_always_gsm_7(text: str) -> None:
    assert encoding_of(fold(text)) is Encoding.GSM_7


def test_folding_keeps_the_letters_that_gsm_7_has() -> None:
    assert fold("à é Ç ç ã õ í Œ ĳ ß 1.º 中") == "à é Ç c a o i OE ij ß 1.o ?"


def test_decomposed_letters_fold_like_composed_ones() -> None:
    assert fold("Interven" + "c\u0327a\u0303o") == "Intervencao"


def test_dashes_and_spaces_alone_do_not_make_a_message_dear() -> None:
    text = "14:00–18:00\u00a0(Lisboa)…"

    assert encoding_of(text) is Encoding.UCS_2
    assert plain(text) == "14:00-18:00 (Lisboa)..."


def test_empty_message_is_a_bug() -> None:
    with pytest.raises(ValueError, match="empty"):
        count("")


@given(st.text(max_size=100), st.integers(8, 60))
def test_shortened_text_is_never_longer_than_asked(text: str, most: int) -> None:
    assert len(shorten(text, most)) <= most
