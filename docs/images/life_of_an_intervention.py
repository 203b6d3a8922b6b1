"""Draws life_of_an_intervention.svg: `python docs/images/life_of_an_intervention.py`."""

from __future__ import annotations

from pathlib import Path

STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1b2733}.step{font-size:12.5px;fill:#2b5c8a}"
    ".lane{font-weight:600;fill:#33475b}.box{fill:#fff;stroke:#2b5c8a;stroke-width:1.5}"
    ".end{fill:#eaf2fa}.arrow{fill:none;stroke:#2b5c8a;stroke-width:1.8}"
)
WIDTH, HEIGHT = 1080, 430
#: Words, left, top, whether readers see nothing after it.
BOXES = [
    ("draft", 150, 40, False),
    ("in review", 370, 40, False),
    ("approved", 590, 40, False),
    ("published", 810, 40, True),
    ("withdrawn", 370, 140, True),
    ("planned", 150, 270, False),
    ("announced", 370, 270, False),
    ("running", 590, 270, False),
    ("verifying", 810, 270, False),
    ("completed", 810, 365, True),
    ("cancelled", 370, 365, True),
]
#: A path, and where its words stand.
ARROWS = [
    ("M270 62 H366", "submit", 292, 54),
    ("M490 62 H586", "approve", 512, 54),
    ("M710 62 H806", "announce", 726, 54),
    ("M430 40 C430 12 210 12 210 36", "return, edit", 284, 14),
    ("M430 84 V136", "withdraw", 438, 116),
    ("M210 84 C210 162 300 162 366 162", "", 0, 0),
    ("M650 84 C650 162 560 162 494 162", "", 0, 0),
    ("M270 292 H366", "announce", 286, 284),
    ("M490 292 H586", "start", 522, 284),
    ("M710 292 H806", "verify", 738, 284),
    ("M620 270 C610 232 690 232 680 266", "start, extend, verify a part", 572, 232),
    ("M400 270 C390 232 470 232 460 266", "announce a change, move", 350, 232),
    ("M870 314 V361", "complete", 878, 342),
    ("M650 314 C650 387 720 387 806 387", "complete", 690, 404),
    ("M430 314 V361", "cancel", 438, 342),
    ("M210 314 C210 387 290 387 366 387", "cancel", 234, 404),
    ("M620 314 C620 387 560 387 494 387", "cancel", 520, 404),
]


def drawing() -> str:
    """Return the picture."""
    boxes = "\n".join(
        f'<rect x="{x}" y="{y}" width="120" height="44" rx="8" class="box{" end" if end else ""}"/>'
        f'<text x="{x + 60}" y="{y + 27}" text-anchor="middle">{words}</text>'
        for words, x, y, end in BOXES
    )
    arrows = "\n".join(
        f'<path d="{path}" class="arrow" marker-end="url(#head)"/>'
        f'<text x="{x}" y="{y}" class="step">{words}</text>'
        for path, words, x, y in ARROWS
    )
    said = "; ".join(words for words, *_ in BOXES)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">
<title id="t">The life of an intervention and of its versions</title>
<desc id="d">States: {said}. The steps between them are in the table of docs/lifecycle.md.</desc>
<style>{STYLE}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#2b5c8a"/></marker></defs>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#f6f8fa"/>
<line x1="0" x2="{WIDTH}" y1="206" y2="206" stroke="#d5dde5"/>
<text x="12" y="67" class="lane">a version</text>
<text x="12" y="297" class="lane">the intervention</text>
{arrows}
{boxes}
</svg>
"""


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawing(), encoding="utf-8")
