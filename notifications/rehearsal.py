"""What a step would tell readers, before it is taken: the story, the kinds of reader, how many of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from maintenance import scheduling
from maintenance.catalogue import Catalogue
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import NotFound
from maintenance.interventions import Plan
from maintenance.models import InterventionRow, VersionRow
from maintenance.publishing import effect_of, standing_if_counted
from maintenance.queries import get_intervention, latest_published, pending, plan_of, windows_of
from maintenance.shown import WindowsChange
from maintenance.texts import Text
from notifications import sms_text
from notifications.contacts import Reader
from notifications.feasibility import Feasibility, Price, assess
from notifications.foretold import foretell
from notifications.messages import Composed, compose, compose_sms
from notifications.models import RecipientRow, ScopeRow
from notifications.queries import get_notice, reader_of, story_of
from notifications.stories import Site, Story
from notifications.timetable import NoticeKind


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of reader, and how many recipients get its message."""

    scope_id: int
    reader: Reader
    #: Codes of their systems that the story is about.
    systems: tuple[str, ...]
    #: Channel -> number of recipients.
    recipients: dict[str, int]

    @property
    def total(self) -> int:
        """Return how many recipients there are on all channels."""
        return sum(self.recipients.values())


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything a notice would send as the directory is now, the largest variants first."""

    story: Story
    variants: tuple[Variant, ...]

    @property
    def recipients(self) -> dict[str, int]:
        """Return how many recipients there are on each channel."""
        found: Counter[str] = Counter()
        for variant in self.variants:
            found.update(variant.recipients)
        return dict(sorted(found.items()))

    @property
    def institutions(self) -> int:
        """Return how many institutions are told."""
        return len({code for variant in self.variants for code, _ in variant.reader.institutions})

    def sms_parts(self, *, folded: bool = False) -> int:
        """Return how many SMS parts would be sent and billed; it writes every variant's text.

        Args:
            folded: As if accents were folded, whatever the settings say.
        """
        site = replace(self.story.site, sms_accents="fold") if folded else self.story.site
        story = replace(self.story, site=site)
        return sum(
            sms_text.count(compose_sms(story, variant.reader)).parts * number
            for variant in self.variants
            if (number := variant.recipients.get("sms", 0))
        )

    def sms_feasibility(self, *, rate: int, price: Price | None, now: datetime) -> Feasibility | None:
        """Return whether all SMS can leave in time if sending began now; None when there is none to send.

        Args:
            rate: Parts a second that the sender carries; 0 if that is not known.
            price: Of one part, if known.
            now: The present instant.
        """
        if not (recipients := self.recipients.get("sms", 0)):
            return None
        parts = self.sms_parts()
        return assess(
            recipients=recipients,
            parts=parts,
            folded_parts=parts if self.story.site.sms_accents == "fold" else self.sms_parts(folded=True),
            rate=rate,
            price=price,
            now=now,
            needed_by=self._needed_by(now),
        )

    def _needed_by(self, now: datetime) -> datetime | None:
        """Return from when on the texts are of no use; None where they are news at any time."""
        kind, plan = self.story.kind, self.story.plan
        if kind is NoticeKind.REMINDER and plan.reminders:
            # The last reminder has the least time: it leaves so long before the start.
            return now + min(plan.reminders)
        if kind in (NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE):
            return min((window.start for window in self.story.windows if window.start > now), default=None)
        return None

    def variant(self, scope_id: int) -> Variant:
        """Return one of the variants.

        Raises:
            NotFound: If the notice has none for that kind of reader.
        """
        for variant in self.variants:
            if variant.scope_id == scope_id:
                return variant
        raise NotFound("The notice does not concern this kind of reader; go back to the list.")

    def compose(self, variant: Variant) -> Composed:
        """Return the message exactly as it would be sent."""
        return compose(self.story, variant.reader)


def rehearse(
    session: Session,
    reference: str,
    kind: NoticeKind | None,
    *,
    notice: str = "",
    site: Site,
    now: datetime,
) -> Rehearsal:
    """Return what a notice of an intervention would send if it were sent now.

    Args:
        session: To read from.
        reference: Of the intervention.
        kind: One of `LATER`; None: what the next announcement sends.
        notice: Public id of a notice that is planned already; then `kind` counts for nothing.
        site: The installation that speaks.
        now: Stands for the instant of publishing.

    Raises:
        NotFound: If there is no such intervention, or no version of it, or no such notice of it.
    """
    row = get_intervention(session, reference)
    if notice:
        planned = get_notice(session, notice)
        if planned.reference != row.reference:
            raise NotFound("The notice %(id)s is of another intervention.", id=notice)
        story = story_of(session, planned, site)
        is_news = planned.kind == NoticeKind.ANNOUNCEMENT
        return Rehearsal(story, _variants(session, story, first=is_news))
    story = _story(session, row, site, now)
    if kind is not None:
        standing = standing_if_counted(row) if row.versions else None
        story = foretell(
            story,
            kind,
            forecast=lambda plan: effect_of(session, story.catalogue, standing, plan).windows,
            now=now,
        )
    first = latest_published(row) is None
    return Rehearsal(story, _variants(session, story, first=first))


def _story(session: Session, row: InterventionRow, site: Site, now: datetime) -> Story:
    announced, waiting = latest_published(row), pending(row)
    version = waiting or announced
    if version is None:
        raise NotFound("Intervention %(reference)s has no version; edit it first.", reference=row.reference)
    # It is shown as if it were announced, so nothing in it is tentative.
    plan, catalogue = replace(plan_of(version), draft=False), load_catalogue(session)
    altered: tuple[WindowsChange, ...] = ()
    windows = windows_of(version)
    if waiting is not None:
        preview = scheduling.preview(session, plan, now=now)
        windows, altered = preview.windows, preview.altered
    changes = waiting is not None and announced is not None
    return Story(
        kind=NoticeKind.CHANGE if changes else NoticeKind.ANNOUNCEMENT,
        plan=plan,
        sequence=_next_sequence(announced, waiting),
        windows=windows,
        catalogue=catalogue,
        site=site,
        published_at=now if waiting is not None else version.published_at or now,
        created_at=row.created_at,
        plan_before=plan_of(announced) if changes and announced else None,
        windows_before=windows_of(announced) if changes and announced else (),
        reason=Text.of(version.reason),
        also=tuple(_altered(session, change, plan, catalogue, site, now) for change in altered),
    )


def _next_sequence(announced: VersionRow | None, waiting: VersionRow | None) -> int:
    if announced is None or announced.sequence is None:
        return 0
    return announced.sequence + (waiting is not None)


def _altered(
    session: Session, change: WindowsChange, lead: Plan, catalogue: Catalogue, site: Site, now: datetime
) -> Story:
    row = get_intervention(session, change.reference)
    version = latest_published(row)
    if version is None:
        raise NotFound("Intervention %(reference)s was not announced.", reference=change.reference)
    return Story(
        kind=NoticeKind.CHANGE,
        plan=plan_of(version),
        sequence=(version.sequence or 0) + 1,
        windows=change.after,
        catalogue=catalogue,
        site=site,
        published_at=now,
        created_at=row.created_at,
        plan_before=plan_of(version),
        windows_before=change.before,
        details={"because_of": lead.reference},
    )


def _variants(session: Session, story: Story, *, first: bool) -> tuple[Variant, ...]:
    counted = session.execute(
        select(RecipientRow.scope_id, RecipientRow.channel, func.count()).group_by(
            RecipientRow.scope_id, RecipientRow.channel
        )
    )
    recipients: dict[int, dict[str, int]] = {}
    for scope_id, channel, number in counted:
        if scope_id is not None:
            recipients.setdefault(scope_id, {})[channel] = number
    # Who would hear of the start has heard of the plan by then.
    first = first and story.kind in (NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE)
    found = []
    for scope in session.scalars(select(ScopeRow).order_by(ScopeRow.id)):
        reader = reader_of(scope, first=first)
        if scope.id in recipients and story.is_news_for(reader):
            systems = story.concerned(reader.entries)
            found.append(Variant(scope.id, reader, systems, recipients[scope.id]))
    return tuple(sorted(found, key=lambda variant: (-variant.total, variant.scope_id)))
