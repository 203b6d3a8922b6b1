"""The breaker stopped a channel → those who run the installation are told, by whatever other way there is. USE.

Not by the ledger's rows: they belong to interventions, and may be what does not leave. A process that is killed in
between tells twice rather than not at all.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from maintenance.runtime import Runtime
from notifications import deputies, mail, stopping
from notifications.channels.parcels import FIRST_TEST, Outcome, Parcel, Transport
from notifications.deputies import Told
from notifications.messages import Composed, alarm
from notifications.models import ActRow, ChannelRow
from notifications.queries import site_of
from notifications.stories import Site
from notifications.wording import words_for

_log = logging.getLogger(__name__)

#: An alarm that a provider holds back is of no use after that.
_USEFUL = timedelta(hours=6)
#: The kind of act that says that they were told.
TOLD = "told"


def raise_alarms(runtime: Runtime, transports: Mapping[str, Transport]) -> int:
    """Tell the operators of each channel that the breaker stopped since they were told last; return of how many.

    Nobody is told where `JANELA_ONCALL` names nobody. An alarm that reached none of them is raised again at the
    next look.
    """
    with runtime.database.read() as session:
        told = exists().where(
            ActRow.kind == TOLD,
            ActRow.what == "channel",
            ActRow.name == ChannelRow.channel,
            ActRow.at >= ChannelRow.stopped_at,
        )
        stopped = session.scalars(
            select(ChannelRow).where(ChannelRow.stopped_by == stopping.BREAKER.name, ~told)
        ).all()
    return sum(_raise(runtime, transports, row.channel, row.words) for row in stopped)


def _raise(runtime: Runtime, transports: Mapping[str, Transport], channel: str, why: str) -> bool:
    operators = deputies.operators(runtime.settings)
    # The channel itself only where there is no other way: it might be the text of one notice that is refused.
    ways = [told for told in operators if told.way.channel != channel] or operators
    site = site_of(runtime.settings)
    reached = [
        told.way.channel for told in ways if _tell(transports, told, channel, why, site, runtime.clock())
    ]
    if not reached:
        if ways:
            _log.critical("None of the operators could be told that the channel %s is stopped", channel)
        return False
    with runtime.database.write() as session:
        words = f"{len(reached)} of {len(ways)} ({', '.join(sorted(set(reached)))})"
        stopping.note(
            session, TOLD, "channel", channel, by=stopping.BREAKER, words=words, now=runtime.clock()
        )
    return True


def _tell(
    transports: Mapping[str, Transport], told: Told, channel: str, why: str, site: Site, now: datetime
) -> bool:
    """Return whether one operator was told, as far as their way out says."""
    transport = transports.get(told.way.channel)
    if transport is None:
        return False
    composed = alarm(channel, why, site, words_for(told.language))
    parcel = _parcel(told, composed, site, now)
    try:
        outcomes: Sequence[tuple[int, Outcome]] = list(transport.send([parcel], now=now))
    except Exception:
        # Of a way out that fails altogether the next one is not to suffer.
        _log.exception("An operator could not be told by %s", told.way.channel)
        return False
    finally:
        transport.close()
    return any(outcome.failure is None for _, outcome in outcomes)


def _parcel(told: Told, composed: Composed, site: Site, now: datetime) -> Parcel:
    heading = mail.Heading(
        mail_from=site.mail_from,
        host=site.host,
        site_name=site.name,
        reference="alarm",
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
        reference="alarm",
        kind="alarm",
        queued_at=now,
        expires_at=now + _USEFUL,
    )
