"""A broker that dies in mid-sending and comes back, with what it held or without: nothing is lost or repeated.

`JANELA_TEST_RECIPIENTS` makes it longer.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance.database import Database
from maintenance.runtime import utc_now
from tests.builders import a_phase, a_plan, a_system, at
from tests.fakes.sink import MailSink
from tests.far_side import compare, delivery_of
from tests.invariants import assert_sound
from tests.ledgers import HOUR, addresses, many_readers
from tests.lives import announced, import_systems
from tests.own_brokers import OwnBroker, OwnRabbitMq, OwnRedis
from tests.site import Site, until

RECIPIENTS = int(os.environ.get("JANELA_TEST_RECIPIENTS", "600"))


@pytest.mark.parametrize("kind", [OwnRabbitMq, OwnRedis])
def test_broker_that_dies_in_mid_sending_and_comes_back_costs_no_mail(
    kind: type[OwnBroker],
    postgres_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    began, readers = time.monotonic(), addresses(RECIPIENTS)
    told: dict[str, object] = {"way": f"celery-{kind.name.lower()}, broker killed and started"}
    record_property("crash", told)
    with MailSink() as sink, kind() as broker:
        engine = {"ENGINE": "celery", "BROKER_URL": broker.url, "SMTP_URL": sink.url}
        with Site(Database(postgres_url), tmp_path, **engine) as site:
            with site.database.write() as session:
                import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
                many_readers(session, readers, "PEM")
            for words in ("scheduler",), ("worker", "--concurrency", "2"), ("worker", "--concurrency", "2"):
                site.start(*words)
            in_three_days = (utc_now() - at(0)) // HOUR + 72
            with site.database.write() as session:
                announced(
                    session, a_plan("W", a_phase(in_three_days, in_three_days + 4, "DB")), now=utc_now()
                )
            until(lambda: len(sink.mails) > RECIPIENTS // 3, "the first third")

            broker.die()
            time.sleep(1)
            broker.start()
            until(site.all_settled, "the end", seconds=120)

            taken = Counter(delivery_of(mail.raw) for mail in sink.mails)
            found = compare(site.database, taken)
            told |= {
                "killed": {kind.name: 1},
                "deliveries": found.deliveries,
                "duplicates": found.duplicates,
                "resent": found.resent,
                "lost": len(found.lost),
                "seconds": round(time.monotonic() - began),
            }
            assert not found.lost
            # No sender died: a task without its broker ends its share, and each mail goes once.
            assert set(taken.values()) == {1}
            assert len(taken) == RECIPIENTS == found.deliveries
            assert_sound(site.database)
