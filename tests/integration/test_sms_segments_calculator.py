"""Parts of an SMS, next to npm's `sms-segments-calculator`, with which Twilio explains its bills."""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from maintenance.settings import ROOT
from notifications import sms_text

VERSION = "1.3.0"
TEXTS = 10_000
#: Reads a list of texts, writes [encoding, parts] for each.
PROGRAM = """
const { SegmentedMessage } = require("sms-segments-calculator");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text) => {
  const found = new SegmentedMessage(text, "auto");
  return [found.getEncodingName(), found.segmentsCount];
})));
"""
#: Words as notices use them, by language; what makes a text expensive is among them.
WORDS = {
    "pt": "Intervenção na base de dados às 22:00 – 23:30: PEM indisponível, à exceção dos hospitais «São João» € ç õ ê",
    "en": "Maintenance: the database will be down from 22:00 to 23:30 – sorry… “PEM” [degraded] {notice} ^ | ~ \\ €20",
    "de": "Wartung der Datenbank von 22:00 bis 23:30 Uhr: Größe, Übergänge, äußerst kurze Störung „PEM“ § ß Ä Ö Ü",
    "pl": "Prace serwisowe: usługa będzie niedostępna od 22:00 do 23:30, źdźbło, łączność, święto, ćma ż ó ń ę",
    "fr": "Intervention prévue de 22:00 à 23:30 : base de données indisponible, dès l’arrêt – Œuvre, où ça, ï ê ô û ë « PEM » É",
    "nl": "Gepland onderhoud van 22:00 tot 23:30: databank onbereikbaar, één storing, geïnformeerde patiënten, coördinatie ’s nachts €",
    "nb": "Planlagt vedlikehold fra 22:00 til 23:30: databasen er nede, vær så god, på ny påloggingsfeil, «PEM» Ø Å Æ ø å æ – òg",
    "el": "Συντήρηση της βάσης δεδομένων από 22:00 έως 23:30: ΔΙΑΚΟΠΗ ΓΙΑ ΟΛΟΥΣ Ψ Ω Φ Θ Λ Ξ Π Σ 🔧 𝄞",
}


@pytest.fixture(scope="session")
def calculator() -> Path:
    """Give the folder in which the calculator is installed, made once and kept in `.cache/`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("There is no node with npm here; sms-segments-calculator runs in it.")
    home = ROOT / ".cache" / f"sms-segments-calculator-{VERSION}"
    if not (home / "ready").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true}')
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", f"sms-segments-calculator@{VERSION}"],
            cwd=home,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = f"sms-segments-calculator could not be installed: {done.stderr.strip()[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        (home / "ready").touch()
    return home


def texts_in(language: str, count: int, chance: random.Random) -> list[str]:
    """Return texts of 1 to 500 characters or so, some around the borders of a part."""
    words = WORDS[language].split()
    # What GSM-7 holds and nothing else, so that one letter beyond it does not decide over all texts.
    cheap = [word for word in words if sms_text.encoding_of(word) is sms_text.Encoding.GSM_7]
    found = []
    for _ in range(count):
        chosen = chance.choice((words, cheap))
        border = chance.choice((70, 134, 160, 201, 306, 459, chance.randint(1, 480)))
        length = max(border + chance.randint(-3, 3), 1)
        text = ""
        while len(text) < length:
            text += chance.choice(chosen) + " "
        found.append(text[:length])
    return found


def test_parts_are_those_of_the_calculator_of_twilio(calculator: Path) -> None:
    chance = random.Random(2019)
    texts = [text for language in WORDS for text in texts_in(language, TEXTS // len(WORDS), chance)]

    done = subprocess.run(
        ["node", "-e", PROGRAM],
        cwd=calculator,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )

    theirs = [(encoding, parts) for encoding, parts in json.loads(done.stdout)]
    ours = [(sms_text.count(text).encoding.value, sms_text.count(text).parts) for text in texts]
    assert len(texts) == TEXTS
    assert {encoding for encoding, _ in ours} == {"GSM-7", "UCS-2"}
    differing = [(text, a, b) for text, a, b in zip(texts, ours, theirs, strict=True) if a != b]
    assert not differing, differing[:3]
