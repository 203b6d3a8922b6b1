"""A notice and a variant of reader -> text, HTML, SMS and calendar part; preview and send are this one function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape

import css_inline
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.bccache import Bucket

from maintenance.settings import ROOT
from notifications import ical, sms_text
from notifications.contacts import Entry, Reader
from notifications.facts import Facts
from notifications.situations import one_line
from notifications.stories import Site, Story
from notifications.wording import Words, words_for

__all__ = [
    "Composed",
    "Entry",
    "Reader",
    "Site",
    "Story",
    "alarm",
    "compose",
    "compose_sms",
    "for_operators",
]

#: An SMS names fewer systems rather than take more parts than this.
SMS_PARTS = 2
#: How much of free words an SMS carries.
SMS_WORDS = 120
#: How long an SMS to those who run the installation is at most.
_ALARM_SMS = 300
_FOLDER = ROOT / "templates" / "messages"
# Sections that are left out leave more than one.
_BLANK_LINES = re.compile(r"\n{3,}")
_BODY = re.compile(r"<body[^>]*>")
# Rules for the dark and for small screens cannot be inlined; they stay in the head.
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True)
class Composed:
    """One message for one variant of reader, for every channel."""

    #: One line, no control characters.
    subject: str
    text: str
    html: str
    sms: str
    #: An iCalendar object, METHOD:PUBLISH.
    calendar: bytes


def compose(story: Story, reader: Reader) -> Composed:
    """Return the message that tells the story to the reader; the same input gives the same bytes.

    Raises:
        MissingTranslations: When the reader's language was not compiled.
        ValueError: When the story does not concern the reader.
    """
    facts = Facts(story, reader, words_for(reader.language))
    if not facts.codes:
        raise ValueError(f"{story.kind} of {story.plan.reference} does not concern this reader")
    return Composed(
        subject=one_line(_rendered("subject.txt", facts)),
        text=_BLANK_LINES.sub("\n\n", _rendered("body.txt", facts)) + "\n",
        html=_INLINER.inline(_rendered("body.html", facts)) + "\n",
        sms=_sms(facts),
        calendar=ical.mail_calendar(story, reader),
    )


def compose_sms(story: Story, reader: Reader) -> str:
    """Return the SMS that `compose` makes, without the rest: to count parts of many variants."""
    return _sms(Facts(story, reader, words_for(reader.language)))


def for_operators(composed: Composed, institutions: Sequence[str], words: Words) -> Composed:
    """Return a message as those get it who run the installation: a note in front says who was not reached.

    Args:
        composed: What the readers were to be told.
        institutions: Names of those of which nobody was reached.
        words: Of the language of the message.
    """
    mark = words.gettext("Nobody reached")
    note = words.gettext(
        "Nobody at %(institutions)s could be reached with this notice. Please tell them yourself.",
        institutions=words.listed(institutions),
    )
    return replace(
        composed,
        subject=one_line(f"{mark}: {composed.subject}"),
        text=f"{note}\n\n{composed.text}",
        html=_BODY.sub(lambda found: f"{found[0]}<p>{escape(note)}</p>", composed.html, count=1),
        sms=sms_text.fold(f"{mark}: {words.shortlist(institutions, 2)}. {composed.sms}"),
    )


def alarm(channel: str, why: str, site: Site, words: Words) -> Composed:
    """Return what those who run the installation are told when the breaker has stopped a channel.

    Args:
        channel: `email`, `sms`, …
        why: The provider's last words; may be empty.
        site: The installation.
        words: Of the language of the message.
    """
    subject = words.gettext("%(site)s: the channel %(channel)s is stopped", site=site.name, channel=channel)
    lines = [
        words.gettext("Nothing but what is urgent is tried on it until a person lets it go on."),
        *([words.gettext("The last answer was: %(words)s", words=one_line(why))] if why else []),
        words.gettext(
            "When the cause is mended: %(address)s, or `janela deliveries resume %(channel)s`.",
            address=f"{site.public_url}/deliveries/",
            channel=channel,
        ),
    ]
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in (subject, *lines))
    return Composed(
        subject=one_line(subject),
        text="\n\n".join((subject, *lines)) + "\n",
        html=f'<!doctype html><html lang="{words.language}"><body>{paragraphs}</body></html>\n',
        sms=sms_text.fold(sms_text.shorten(one_line(" ".join((f"{subject}.", *lines))), _ALARM_SMS)),
        calendar=b"",
    )


def _rendered(name: str, facts: Facts, **more: object) -> str:
    template = _environment(facts.words).get_template(f"{facts.story.kind.value}/{name}")
    return template.render(f=facts, words=facts.words, site=facts.story.site, **more).strip()


def _sms(facts: Facts) -> str:
    """Return the SMS with as many systems named as its parts allow, one at least."""
    alphabet = sms_text.fold if facts.story.site.sms_accents == "fold" else sms_text.plain
    words = sms_text.shorten(facts.reason, SMS_WORDS)
    text = ""
    for most in range(len(facts.shorts_told), 0, -1):
        said = _rendered("sms.txt", facts, headline=facts.headline(most), reason=words, most=most)
        text = alphabet(one_line(said))
        if sms_text.count(text).parts <= SMS_PARTS:
            break
    return text


class _Compiled(BytecodeCache):
    """Templates compiled once for all languages: they look up their sentences when they are rendered."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the template's code, if it was compiled before."""
        if code := self._kept.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the template's code."""
        self._kept[bucket.key] = bucket.bytecode_to_string()


_compiled = _Compiled()


@lru_cache(maxsize=16)
def _environment(words: Words) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        # Else each message asks the disk whether its templates are still the same.
        auto_reload=False,
        bytecode_cache=_compiled,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(words.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["lines"] = str.splitlines
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return environment
