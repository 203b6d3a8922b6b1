"""`janela forecast`: plans checked as code, without any database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from maintenance.answers import each_once, forecast_document, harm_document
from maintenance.catalogue import Catalogue
from maintenance.clashes import Clash, find_clashes, warnings_of
from maintenance.commands.reports import estimated, forecast_report
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import InvalidDocument, JanelaError, Problem
from maintenance.forecast import forecast as forecast_of
from maintenance.harm import harm_of
from maintenance.interventions import Plan
from maintenance.policies import Policies
from maintenance.policy_book import read_policies
from maintenance.policy_clashes import find_policy_clashes
from maintenance.runtime import Runtime

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(forecast)


@click.command()
@click.option("--catalogue", "catalogue_file", required=True, type=_FILE, help="The catalogue document.")
@click.option(
    "--policies", "policies_file", type=_FILE, help="The policy document to hold the plans against."
)
@click.argument("plans", nargs=-1, required=True, type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "block"]),
    help="Exit 1 when there is a clash that blocks, or (warn) any clash or warning.",
)
@click.pass_obj
def forecast(
    runtime: Runtime,
    catalogue_file: Path,
    policies_file: Path | None,
    plans: tuple[Path, ...],
    as_json: bool,
    fail_on: str | None,
) -> None:
    """Say what the PLANS take down, all of them together: windows, causes, clashes, warnings."""
    limit = int(runtime.settings["IMPORT_LIMIT_MB"])
    catalogue = read_catalogue(catalogue_file.read_bytes(), file=str(catalogue_file), limit_mb=limit)
    policies = None
    if policies_file is not None:
        raw = policies_file.read_bytes()
        policies = read_policies(raw, file=str(policies_file), limit_mb=limit, catalogue=catalogue).agreed()
    read = _read_plans(plans, catalogue, limit)
    windows = forecast_of(catalogue, read)
    clashes = _clashes(catalogue, read, policies, runtime.clock())
    warnings = [(plan, problem) for plan in read for problem in warnings_of(plan)]
    harm = harm_of(catalogue, windows).items()
    if as_json:
        document = forecast_document(windows, clashes, warnings)
        if harm:
            document["harm"] = harm_document(harm)
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        zones = {plan.timezone for plan in read}
        shown_in = zones.pop() if len(zones) == 1 else catalogue.timezone
        click.echo("\n".join(forecast_report(windows, clashes, warnings, shown_in)))
        if harm:
            click.echo(f"\nEstimated to fall into these windows: {estimated(harm)}.")
    if fail_on and (any(c.blocks for c in clashes) or (fail_on == "warn" and (clashes or warnings))):
        click.get_current_context().exit(1)


def _read_plans(files: Sequence[Path], catalogue: Catalogue, limit_mb: int) -> list[Plan]:
    """Return the plans of the files, the mistakes of all of them at once; each reference is there once."""
    plans: list[Plan] = []
    problems: list[Problem] = []
    for number, file in enumerate(files, 1):
        try:
            plan = read_intervention(
                file.read_bytes(), file=str(file), limit_mb=limit_mb, catalogue=catalogue
            )
        except InvalidDocument as error:
            problems += error.problems
            continue
        plans.append(
            plan if plan.reference else replace(plan, reference=f"INT-{plan.start.year}-{number:04d}")
        )
    if problems:
        raise InvalidDocument(problems)
    references = [plan.reference for plan in plans]
    if twice := {r for r in references if references.count(r) > 1}:
        raise JanelaError(
            "%(references)s is the reference of more than one file; give each plan once, under one reference.",
            references=", ".join(sorted(twice)),
        )
    return plans


def _clashes(
    catalogue: Catalogue, plans: Sequence[Plan], policies: Policies | None, now: datetime
) -> tuple[Clash, ...]:
    """Return the clashes of every plan with the others."""
    found: list[Clash] = []
    for plan in plans:
        others = [other for other in plans if other is not plan]
        found += find_clashes(catalogue, plan, others, now=now)
        if policies is not None:
            found += find_policy_clashes(catalogue, plan, others, policies, now=now)
    return each_once(found)
