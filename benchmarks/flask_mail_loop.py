"""What somebody would write who needs to tell many people something: a loop over Flask-Mail.

`python -m benchmarks.flask_mail_loop HOST:PORT COUNT MAIL [DATABASE]` sends the mail of the file, part by part the
same, to so many readers, and prints how many mails a second that were. With a database it also keeps a record as one
would: a row for each reader, committed before its mail leaves and once more with the outcome. Without, there is none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import cast

from flask import Flask
from flask_mail import Mail, Message
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """Of the one table."""


class Sent(Base):
    """That one reader was told."""

    __tablename__ = "flask_mail_loop"

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(unique=True)
    outcome: Mapped[str] = mapped_column(default="sending")


#: Sends the mail to an address.
Send = Callable[[str], None]


@contextmanager
def recorded(url: str, send: Send) -> Iterator[Send]:
    """Give what sends and keeps a record of it, in a table that is dropped afterwards."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:

        def keep(address: str) -> None:
            row = Sent(address=address)
            session.add(row)
            session.commit()
            send(address)
            row.outcome = "sent"
            session.commit()

        yield keep
    Base.metadata.drop_all(engine)
    engine.dispose()


def sending(mail: Mail, sample: bytes) -> Send:
    """Return what builds the mail anew for each address, and hands it to the relay over a connection of its own."""
    found = cast(EmailMessage, message_from_bytes(sample, policy=SMTP))
    parts = [part for part in found.walk() if not part.is_multipart()]
    text, html, calendar, attached = (cast(EmailMessage, part).get_content() for part in parts)

    def send(address: str) -> None:
        message = Message(str(found["Subject"]), recipients=[address], body=text)
        message.alts = {"html": html, "calendar": calendar}
        message.attach("work.ics", "application/ics", attached)
        mail.send(message)

    return send


def main(address: str, count: int, sample: str, database: str = "") -> None:
    """Send, and print mails a second."""
    host, port = address.split(":")
    app = Flask(__name__)
    app.config.update(MAIL_SERVER=host, MAIL_PORT=int(port), MAIL_DEFAULT_SENDER="janela@example.org")
    send = sending(Mail(app), Path(sample).read_bytes())
    with app.app_context():
        if database:
            with recorded(database, send) as kept:
                print(per_second(kept, count))
        else:
            print(per_second(send, count))


def per_second(send: Send, count: int) -> float:
    """Return how many mails a second a loop over so many readers makes."""
    began = time.perf_counter()
    for number in range(count):
        send(f"reader{number}@example.org")
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
