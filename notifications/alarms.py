"""The breaker stopped a channel → those who run the installation are told, by whatever other way there is. USE.

Not by the ledger's rows: they belong to interventions, and may be what does not leave. A process that is killed in
between tells twice rather than not at all.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.runtime import Runtime
from notifications import deputies, mail, stopping
from notifications.channels.parcels import FIRST_TEST, Outcome, Parcel, Transport
from notifications.deputies import Told
from notifications.messages import Composed, alarm
from notifications.models import ActRow, ChannelRow
from notifications.queries import site_of
from notifications.retries import FailureClass
from notifications.stories import Site
from notifications.wording import words_for

_log = logging.getLogger(__name__)

#: An alarm that a provider holds back is of no use after that.
_USEFUL = timedelta(hours=6)
#: The kind of act that says that they were told, and the one that says that none of them was.
TOLD, UNHEARD = "told", "unheard"
#: How long to wait before an alarm that nobody heard is raised again, doubled each time.
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=30)


def raise_alarms(runtime: Runtime, transports: Mapping[str, Transport]) -> int:
    """Tell the operators of each channel that the breaker stopped since they were told last; return of how many.

    Nobody is told where `JANELA_ONCALL` names nobody. An alarm that reached none of them is raised again, at ever
    longer distances.
    """
    now = runtime.clock()
    with runtime.database.read() as session:
        stopped = session.scalars(
            select(ChannelRow).where(ChannelRow.stopped_by == stopping.BREAKER.name)
        ).all()
        due = [row for row in stopped if _is_due(session, row, now)]
    return sum(_raise(runtime, transports, row.channel, row.words) for row in due)


def _is_due(session: Session, row: ChannelRow, now: datetime) -> bool:
    """Return whether the operators are to be told of a stopped channel, or to be told once more."""
    acts = session.scalars(
        select(ActRow)
        .where(
            ActRow.what == "channel",
            ActRow.name == row.channel,
            ActRow.at >= row.stopped_at,
            ActRow.kind.in_((TOLD, UNHEARD)),
        )
        .order_by(ActRow.id)
    ).all()
    if any(act.kind == TOLD for act in acts):
        return False
    wait = min(_FIRST_WAIT * 2.0 ** min(len(acts) - 1, 10), _LONGEST_WAIT)
    return not acts or acts[-1].at + wait <= now


def _raise(runtime: Runtime, transports: Mapping[str, Transport], channel: str, why: str) -> bool:
    operators = deputies.operators(runtime.settings)
    # The channel itself only where there is no other way: it might be the text of one notice that is refused.
    ways = [told for told in operators if told.way.channel != channel] or operators
    if not ways:
        return False
    site = site_of(runtime.settings)
    found = [_tell(transports, told, channel, why, site, runtime.clock()) for told in ways]
    reached = [how for how in found if how]
    if not reached:
        _log.critical("None of the operators could be told that the channel %s is stopped", channel)
    words = f"{len(reached)} of {len(ways)}" + (f" ({', '.join(sorted(set(reached)))})" if reached else "")
    with runtime.database.write() as session:
        kind, by, now = TOLD if reached else UNHEARD, stopping.BREAKER, runtime.clock()
        stopping.note(session, kind, "channel", channel, by=by, words=words, now=now)
    return bool(reached)


def _tell(
    transports: Mapping[str, Transport], told: Told, channel: str, why: str, site: Site, now: datetime
) -> str:
    """Return how one operator was told, as far as the way out says: by their channel, or by the outbox; else ""."""
    transport = transports.get(told.way.channel)
    if transport is None:
        return ""
    composed = alarm(channel, why, site, words_for(told.language))
    parcel = _parcel(told, composed, site, now)
    try:
        outcomes: Sequence[tuple[int, Outcome]] = list(transport.send([parcel], now=now))
    except Exception:
        # Of a way out that fails altogether the next one is not to suffer.
        _log.exception("An operator could not be told by %s", told.way.channel)
        return ""
    finally:
        transport.close()
    for _, outcome in outcomes:
        # In doubt counts as told: the next one would ring the same telephone, and so on through the night.
        if outcome.failure in (None, FailureClass.AMBIGUOUS):
            return outcome.transport or told.way.channel
    return ""


def _parcel(told: Told, composed: Composed, site: Site, now: datetime) -> Parcel:
    heading = mail.Heading(
        mail_from=site.mail_from,
        host=site.host,
        site_name=site.name,
        reference="ALARM",
        notice_public_id="alarm",
        sequence=0,
        kind="alarm",
        language=told.language,
        at=now,
    )
    is_mail = told.way.channel == "email"
    return Parcel(
        delivery_id=FIRST_TEST + secrets.randbelow(900_000_000),
        recipient=told.way.address,
        name=told.name,
        message=mail.prepare(composed, heading) if is_mail else composed.sms.encode(),
        subject=composed.subject,
        notice_public_id="alarm",
        sequence=0,
        reference="ALARM",
        kind="alarm",
        queued_at=now,
        expires_at=now + _USEFUL,
    )
