"""What somebody would write who needs to tell many people something: a loop over Flask-Mail.

`python -m benchmarks.flask_mail_loop HOST:PORT COUNT MAIL` sends the mail of the file to so many readers, and
prints how many mails a second that were. No record is kept of anything.
"""

from __future__ import annotations

import sys
import time
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

from flask import Flask
from flask_mail import Mail, Message


def main(address: str, count: int, sample: str) -> None:
    """Send, and print mails a second."""
    found = message_from_bytes(Path(sample).read_bytes(), policy=SMTP)
    text, html = (
        part.get_content() for part in found.walk() if part.get_content_type() in ("text/plain", "text/html")
    )
    calendar = next(part.get_content() for part in found.walk() if part.get_filename())
    host, port = address.split(":")
    app = Flask(__name__)
    app.config.update(MAIL_SERVER=host, MAIL_PORT=int(port), MAIL_DEFAULT_SENDER="janela@example.org")
    mail = Mail(app)
    began = time.perf_counter()
    with app.app_context():
        for number in range(count):
            message = Message(
                found["Subject"], recipients=[f"reader{number}@example.org"], body=text, html=html
            )
            message.attach("work.ics", "text/calendar", calendar)
            mail.send(message)
    print(count / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
