"""A mail is built once for each kind of reader and only filled for each recipient."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications import mail
from notifications.errors import InvalidSender, UnusableAddress
from notifications.messages import Composed
from tests.builders_mail import CALENDAR, a_composed, a_heading

#: Anything that could stand in a text which a browser or a document hands over (no lone surrogates).
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)


def filled(
    composed: Composed, name: str = "", address: str = "duty@example.org", delivery: int = 42
) -> bytes:
    return mail.fill(mail.prepare(composed, a_heading()), mail.tokens_of(name, address, delivery))


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def reader_of(raw: bytes) -> tuple[str, str]:
    # The newer parser of Python 3.11 sees a space between two encoded words, which RFC 2047 6.2 forbids.
    phrase, address = parseaddr(message_from_bytes(raw)["To"])
    return str(make_header(decode_header(phrase))), address


def on_one_line(words: str) -> str:
    return re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+", " ", words).strip()


def test_a_calendar_program_finds_one_calendar_part_beside_text_and_html():
    message = parsed(filled(a_composed()))

    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/calendar",
        "application/ics",
    ]
    calendar = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    assert calendar["Content-Type"].params == {"method": "PUBLISH", "charset": "utf-8"}
    # 8-bit and quoted-printable calendars lose their accents in what reads maintenance notes.
    assert calendar["Content-Transfer-Encoding"] == "base64"
    assert calendar.get_payload(decode=True) == CALENDAR
    copy = next(part for part in message.walk() if part.get_content_type() == "application/ics")
    assert (copy.get_filename(), copy.get_payload(decode=True)) == ("SPMS-2019-EXADATA.ics", CALENDAR)


def test_a_mail_without_calendar_is_text_and_html():
    message = parsed(filled(a_composed(calendar=b"")))

    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_headers_keep_threads_together_and_answering_machines_quiet():
    message = parsed(filled(a_composed(), "Serviço de Urgência"))

    assert message["Message-ID"] == "<n0tice000001.3.42@janela.example.org>"
    assert message["References"] == message["In-Reply-To"] == "<SPMS-2019-EXADATA.thread@janela.example.org>"
    assert message["Date"].datetime == datetime(2019, 11, 28, 10, tzinfo=UTC)
    assert message["Auto-Submitted"] == "auto-generated"
    # `All` would also keep Exchange from sending bounces.
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply, RN, NRN"
    assert message["List-Id"] == '"Janela" <maintenance.janela.example.org>'
    assert message["Feedback-ID"] == "n0tice000001:announcement:janela.example.org:janela"
    assert message["Content-Language"] == "pt"
    # The contacts of institutions have to know: there is nothing to unsubscribe from.
    assert message["List-Unsubscribe"] is None


def test_ids_are_never_encoded_however_long_they_are():
    reference, host = "SPMS-2019-" + "X" * 54, "m" * 42 + ".spms.min-saude.pt"
    assert (len(reference), len(host)) == (64, 60)
    heading = a_heading(reference=reference, host=host, site_name="Sistema de avisos " * 9)
    template = mail.prepare(a_composed(subject="Manutencao"), heading)
    raw = mail.fill(template, mail.tokens_of("", "duty@example.org", 42))
    message = parsed(raw)
    head = raw.partition(b"\r\n\r\n")[0]

    # As they travel, not as a kind reader would decode them.
    assert b"=?" not in head
    root = f"<{reference}.thread@{host}>"
    for name in ("In-Reply-To", "References"):
        assert f"\r\n{name}:\r\n {root}\r\n".encode() in head
    assert message["References"].strip() == root
    assert f"\r\nFeedback-ID:\r\n n0tice000001:announcement:{host}:janela\r\n".encode() in head
    assert message["List-Id"].endswith(f" <maintenance.{host}>")
    assert message["List-Id"].startswith('"Sistema de avisos Sistema')
    # Whatever can be broken is; an id cannot.
    assert max(len(line) for line in head.split(b"\r\n") if host.encode() not in line) <= 78


def test_all_mails_of_an_intervention_with_a_long_reference_name_the_same_root():
    long = "SPMS-2019-MIGRACAO-DA-BASE-DE-DADOS-EXADATA"
    roots = set()
    for sequence in (0, 1):
        heading = a_heading(reference=long[:40], host="janela.spms.min-saude.pt", sequence=sequence)
        roots.add(parsed(mail.prepare(a_composed(), heading))["References"].strip())

    assert roots == {f"<{long[:40]}.thread@janela.spms.min-saude.pt>"}


def test_a_host_that_is_an_address_or_international_makes_legal_ids():
    six = parsed(mail.prepare(a_composed(), a_heading(host="::1")))
    assert six["Message-ID"].startswith("<n0tice000001.3.")
    assert six["Message-ID"].endswith("@[IPv6:::1]>")
    assert six["References"] == "<SPMS-2019-EXADATA.thread@[IPv6:::1]>"
    assert six["List-Id"] == '"Janela" <maintenance.--1>'
    assert six["Feedback-ID"] == "n0tice000001:announcement:--1:janela"

    other = parsed(mail.prepare(a_composed(), a_heading(host="saúde.example.org")))
    assert other["References"] == "<SPMS-2019-EXADATA.thread@xn--sade-rra.example.org>"
    assert "xn--sade-rra" in other["List-Id"]


@settings(max_examples=50, deadline=None)
@given(subject=WORDS, text=WORDS, html=WORDS, name=WORDS)
@example(subject=".", text=".\r\n..\n.", html="\n.\n", name=".")
@example(subject="=?utf-8?q?x?=", text="\x1eto\x1e", html="\x1edelivery\x1e", name="=?utf-8?q?x?=")
@example(subject="a\r\nBcc: all@example.org", text="", html="", name="x\r\nBcc: all@example.org")
@example(subject="é" * 200, text="=" * 200, html=" \t \n", name='Ann "O\\" <x@y>, b@example.org')
def test_a_filled_mail_reads_like_one_built_for_its_reader_alone(
    subject: str, text: str, html: str, name: str
):
    raw = filled(a_composed(subject=subject, text=text, html=html), name)
    message = parsed(raw)

    alone = EmailMessage(SMTP)
    alone.set_content(text, cte="quoted-printable")
    alone.add_alternative(html, subtype="html", cte="quoted-printable")
    ours = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}
    for part in message_from_bytes(alone.as_bytes(), policy=SMTP).walk():
        if not part.is_multipart():
            assert ours[part.get_content_type()].get_payload(decode=True) == part.get_payload(decode=True)
    assert on_one_line(message["Subject"]) == on_one_line(subject)
    assert reader_of(raw) == (on_one_line(name), "duty@example.org")
    assert message.defects == []
    assert "Bcc" not in message


def written_by_the_library(composed: Composed, heading: mail.Heading) -> bytes:
    """Return what follows our own lines of the head, as the standard library writes the whole at once."""
    whole = EmailMessage(SMTP.clone(max_line_length=74))
    for name, value in mail._common_headers(heading).items():
        whole[name] = value
    whole.set_content(composed.text, cte="quoted-printable")
    whole.add_alternative(composed.html, subtype="html", cte="quoted-printable")
    if calendar := composed.calendar:
        method = {"method": "PUBLISH", "charset": "utf-8"}
        whole.add_alternative(calendar, maintype="text", subtype="calendar", cte="base64", params=method)
        name = f"{heading.reference}.ics"
        whole.add_attachment(calendar, maintype="application", subtype="ics", cte="base64", filename=name)
    for number, part in enumerate(part for part in whole.walk() if part.is_multipart()):
        part.set_boundary(f"=_{heading.notice_public_id}_{number}")
    for part in list(whole.walk())[1:]:
        del part["MIME-Version"]
    whole["Content-Language"] = heading.language
    return re.sub(rb"(?m)^\.", b"=2E", whole.as_bytes())


@settings(max_examples=100, deadline=None)
@given(text=WORDS, html=WORDS, calendar=st.binary(max_size=200))
@example(text="", html="\n", calendar=b"")
@example(text="a\n .\n.\n", html="=" * 200, calendar=b"x" * 54)
@example(text="\x1ea\x0c\x85\u2028z\r", html="é" * 200, calendar=b"x" * 109)
def test_bodies_put_into_a_frame_make_the_bytes_that_the_library_writes(
    text: str, html: str, calendar: bytes
):
    composed, heading = a_composed(text=text, html=html, calendar=calendar), a_heading(site_name="Saúde")

    whole = mail.prepare(composed, heading)

    assert (
        whole.partition(b"\r\nFrom:")[2] == written_by_the_library(composed, heading).partition(b"From:")[2]
    )


@settings(max_examples=30, deadline=None)
@given(text=WORDS, name=WORDS)
def test_the_bytes_can_follow_data_as_they_are(text: str, name: str):
    raw = filled(a_composed(text=text, html=text), name)

    assert raw.endswith(b"\r\n")
    assert not re.search(rb"(?m)^\.", raw)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    # 78 is what a line should have at most, 998 what it may (RFC 5322 2.1.1).
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_a_second_try_is_the_same_mail_to_the_byte():
    assert filled(a_composed()) == filled(a_composed())


def test_recipients_differ_in_the_head_only():
    template = mail.prepare(a_composed(), a_heading())
    one = mail.fill(template, mail.tokens_of("Ana", "ana@example.org", 1))
    other = mail.fill(template, mail.tokens_of("", "rui@example.org", 2))

    assert one != other
    assert one.partition(b"\r\nSubject:")[2] == other.partition(b"\r\nSubject:")[2]


def test_a_template_with_a_token_that_is_not_given_is_not_sent_with_a_hole():
    with pytest.raises(KeyError):
        mail.fill(mail.prepare(a_composed(), a_heading()), {"to": b"x@example.org"})


# Two full stops in a row are no dot-atom (RFC 5322 3.2.3).
@pytest.mark.parametrize("reference", ["SPMS-2019-EXADATA", "A..B", "A.", "A._-B"])
def test_the_root_of_a_thread_is_a_legal_message_id_of_its_own(reference: str):
    assert re.fullmatch(r"<[\w-]+(\.[\w-]+)*@h>", mail.thread_root(reference, "h"))
    assert mail.thread_root(reference, "h") != mail.thread_root(reference + "X", "h")


@pytest.mark.parametrize(
    ("given", "name", "address"),
    [
        ("Janela <janela@example.org>", "Janela", "janela@example.org"),
        ('"SPMS, EPE" <avisos@example.org>', "SPMS, EPE", "avisos@example.org"),
        ("Serviços Partilhados <avisos@example.org>", "Serviços Partilhados", "avisos@example.org"),
        ("avisos@example.org", "", "avisos@example.org"),
        ("Avisos <avisos@saúde.example.org>", "Avisos", "avisos@xn--sade-rra.example.org"),
    ],
)
def test_the_sender_is_read_as_people_write_it(given: str, name: str, address: str):
    sender = mail.sender(given)

    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.parametrize("given", ["", "Janela", "Janela <janela@example.org", "a@b@c", "x <y>", "<>"])
def test_a_sender_that_is_none_is_refused_with_what_would_be_right(given: str):
    with pytest.raises(InvalidSender, match="must look like"):
        mail.sender(given)


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "@example.org",
        "a b@example.org",
        "a@example.org\r\nRCPT TO:<b@example.org>",
        "a@-x.org",
        "a..b@example.org",
        "<a@example.org>",
        "joão@example.org",  # needs SMTPUTF8
        "a@example.org>",
        "x" * 250 + "@example.org",
    ],
)
def test_an_address_that_smtp_cannot_carry_is_refused_before_it_is_sent(address: str):
    with pytest.raises(UnusableAddress):
        mail.wire_address(address)


def test_bounces_of_one_delivery_come_back_to_an_address_that_names_it():
    assert mail.envelope_sender("bounces@example.org", 42, "aB3") == "bounces+42.aB3@example.org"
