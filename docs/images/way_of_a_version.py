"""Draws `way_of_a_version.svg`: run it again after a change of the boxes below."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

#: (lane, column, title, file): lane 0 is maintenance, 1 the database, 2 notifications, 3 the reader.
BOXES = (
    (0, 0, "Form, document", "maintenance/documents.py"),
    (0, 1, "Forecast, clashes", "maintenance/forecast.py"),
    (0, 2, "Step taken", "maintenance/scheduling.py"),
    (1, 2, "Version + event", "one transaction"),
    (2, 2, "Notices planned", "notifications/planning.py"),
    (1, 3, "Notices, event done", "one transaction"),
    (2, 4, "Fan-out when due", "notifications/fanout.py"),
    (1, 5, "Messages, deliveries", "transaction per slice"),
    (2, 6, "Claim, send, record", "notifications/sending.py"),
    (3, 6, "Mailbox, telephone", "notifications/channels/"),
)
ARROWS = tuple((number, number + 1) for number in range(len(BOXES) - 1))
LANES = ("maintenance", "database", "notifications", "reader")
WIDTH, HEIGHT, GAP_X, GAP_Y, LEFT, TOP = 186, 62, 24, 40, 130, 22


def position(lane: int, column: int) -> tuple[int, int]:
    """Return the upper left corner of a box, in pixels."""
    return LEFT + column * (WIDTH + GAP_X), TOP + lane * (HEIGHT + GAP_Y)


def arrow(start: int, end: int) -> str:
    """Return the line from one box to another: sideways within a lane, else up or down."""
    (lane, column, *_), (other_lane, other_column, *_) = BOXES[start], BOXES[end]
    x, y = position(lane, column)
    ox, oy = position(other_lane, other_column)
    if lane == other_lane:
        path = f"M{x + WIDTH} {y + HEIGHT / 2} H{ox - 4}"
    elif column == other_column:
        path = f"M{x + WIDTH / 2} {y + (HEIGHT if oy > y else 0)} V{oy - 4 if oy > y else oy + HEIGHT + 4}"
    else:
        path = f"M{x + WIDTH} {y + HEIGHT / 2} H{ox + WIDTH / 2} V{oy - 4 if oy > y else oy + HEIGHT + 4}"
    return f'<path d="{path}" class="arrow" marker-end="url(#head)"/>'


def drawing() -> str:
    """Return the picture as SVG."""
    width = LEFT + 7 * (WIDTH + GAP_X)
    height = TOP + 4 * (HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d">',
        '<title id="t">The way of one version from the form to a mailbox</title>',
        '<desc id="d">'
        + escape(
            "; ".join(f"{number}. {title} ({file})" for number, (_, _, title, file) in enumerate(BOXES, 1))
        )
        + "</desc>",
        "<style>text{font:14px system-ui,sans-serif;fill:#1b2733}.file{font-size:11.5px;fill:#4a5a6a}"
        ".lane{font-weight:600;fill:#33475b}.box{fill:#fff;stroke:#2b5c8a;stroke-width:1.5}.store{fill:#eaf2fa}"
        ".arrow{fill:none;stroke:#2b5c8a;stroke-width:1.8}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#2b5c8a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
    ]
    for lane, name in enumerate(LANES):
        _, y = position(lane, 0)
        parts.append(f'<text x="12" y="{y + HEIGHT / 2 + 5}" class="lane">{name}</text>')
        parts.append(
            f'<line x1="0" x2="{width}" y1="{y + HEIGHT + GAP_Y / 2}" y2="{y + HEIGHT + GAP_Y / 2}" stroke="#d5dde5"/>'
        )
    parts += [arrow(start, end) for start, end in ARROWS]
    for number, (lane, column, title, file) in enumerate(BOXES, 1):
        x, y = position(lane, column)
        kind = "box store" if lane == 1 else "box"
        parts.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" class="{kind}"/>')
        parts.append(f'<text x="{x + 10}" y="{y + 26}">{number}. {escape(title)}</text>')
        parts.append(f'<text x="{x + 10}" y="{y + 47}" class="file">{escape(file)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawing())
