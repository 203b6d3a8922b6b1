"""Who was told what, when, on which channel, with what outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from maintenance.lifecycle import Role
from maintenance.web.access import roles_required
from maintenance.web.context import database, now, runtime
from notifications import queries, reach, reports, stopping, tallies
from notifications.channels.outbox import find_item, folder
from notifications.reports import Filter, Told
from notifications.retries import State
from notifications.tallies import Tally

bp = Blueprint("deliveries", __name__, url_prefix="/deliveries")

PER_PAGE = 50
#: Their deliveries are counted for each look at the list: so many at a time, however many there ever were.
NOTICES_PER_PAGE, LAST_PAGE = 25, 1_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of deliveries, newest first, and what the filters above it need."""

    which: Filter
    rows: list[Told]
    #: Pass it as `before` for the next page; None on the last.
    next_before: int | None
    #: Of all, whatever the filters say.
    tally: Tally


@bp.get("/")
@roles_required(Role.READER)
def index() -> ResponseReturnValue:
    """List the notices of all interventions, or of one, and how far each has come."""
    reference = request.args.get("reference", "").strip().upper()
    page = min(max(request.args.get("page", 1, type=int), 1), LAST_PAGE)
    with database().read() as session:
        past = (page - 1) * NOTICES_PER_PAGE
        found = queries.notices(session, reference=reference or None, limit=NOTICES_PER_PAGE + 1, past=past)
        notices = found[:NOTICES_PER_PAGE]
        progress_of, together = tallies.tally_of_notices(session, [notice.id for notice in notices])
        return render_template(
            "notifications/deliveries/index.html",
            reference=reference,
            notices=notices,
            page=page,
            has_older=len(found) > NOTICES_PER_PAGE,
            progress_of=progress_of,
            together=together,
            troubles=queries.troubles(session, now()),
            acts=stopping.acts(session),
        )


@bp.get("/notices/<public_id>")
@roles_required(Role.READER)
def notice(public_id: str) -> ResponseReturnValue:
    """List the deliveries of one notice."""
    with database().read() as session:
        row = queries.get_notice(session, public_id)
        return render_template(
            "notifications/deliveries/notice.html",
            notice=row,
            far=tallies.progress(session, row, now()),
            acts=stopping.acts(session, what="notice", name=public_id),
            rungs=reach.rungs(session, notice_id=row.id),
            listing=_listing(Filter(notice=public_id)),
        )


@bp.get("/institutions/")
@roles_required(Role.READER)
def institutions() -> ResponseReturnValue:
    """List the institutions, those whose messages had trouble first."""
    with database().read() as session:
        found = tallies.institutions(session)
    found.sort(key=lambda institution: institution.bad == 0)
    return render_template("notifications/deliveries/institutions.html", institutions=found)


@bp.get("/institutions/<code>")
@roles_required(Role.READER)
def institution(code: str) -> ResponseReturnValue:
    """List everything that one institution was told."""
    with database().read() as session:
        return render_template(
            "notifications/deliveries/institution.html",
            institution=tallies.get_institution(session, code),
            listing=_listing(Filter(institution=code)),
            unreachable=reach.unreachable(session, code, now()),
            rungs=reach.rungs(session, institution=code),
        )


@bp.get("/<int:delivery_id>")
@roles_required(Role.READER)
def show(delivery_id: int) -> ResponseReturnValue:
    """Show one delivery with every attempt and every receipt."""
    with database().read() as session:
        return render_template(
            "notifications/deliveries/show.html",
            told=reports.get_told(session, delivery_id),
            history=reports.history(session, delivery_id),
            parts=tallies.parts_of(session, delivery_id),
            kept=find_item(folder(runtime().settings), delivery_id),
        )


@bp.get("/export.csv")
@roles_required(Role.READER)
def export() -> ResponseReturnValue:
    """Give all deliveries of an intervention, a notice or an institution as a table."""
    asked = request.args
    which = _asked(
        Filter(
            reference=asked.get("reference") or None,
            notice=asked.get("notice") or None,
            institution=asked.get("institution") or None,
        )
    )
    with database().read() as session:
        tallies.check(session, which)

    def lines() -> Iterator[str]:
        with database().read() as session:
            yield from reports.as_csv(reports.told(session, which))

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="deliveries.csv"'
    return response


def _asked(base: Filter) -> Filter:
    """Return the filter with what the query string limits it to besides."""
    state = request.args.get("state", "")
    return replace(
        base,
        channel=request.args.get("channel") or None,
        states=(State(state),) if state in list(State) else (),
        words=request.args.get("words", "").strip() or None,
    )


def _listing(base: Filter) -> Listing:
    which = _asked(base)
    before = request.args.get("before", type=int)
    with database().read() as session:
        rows = list(reports.told(session, which, limit=PER_PAGE + 1, before=before, newest_first=True))
        more = len(rows) > PER_PAGE
        return Listing(
            which=which,
            rows=rows[:PER_PAGE],
            next_before=rows[PER_PAGE - 1].delivery if more else None,
            tally=tallies.tally(session, base),
        )
