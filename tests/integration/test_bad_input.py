"""Documents that cannot be used, handed to the commands: each is answered in sentences, and nothing is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from app import cli, create_runtime
from maintenance import schema
from maintenance.catalogue_store import load_catalogue
from maintenance.models import CatalogueRevision, EventRow, InterventionRow
from maintenance.runtime import Runtime
from maintenance.settings import ROOT, Settings
from notifications.models import ContactRow, RecipientRow
from tests.conftest import MovedClock

EXAMPLE = ROOT / "examples" / "spms-exadata-2019"
Janela = Callable[..., Result]


@pytest.fixture
def runtime(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give an installation as `janela db upgrade` leaves it."""
    runtime = create_runtime(settings, clock=clock)
    schema.upgrade(runtime.database)
    yield runtime
    runtime.database.dispose()


@pytest.fixture
def janela(runtime: Runtime) -> Janela:
    """Run `janela` in-process."""
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words], obj=runtime)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a document into a file."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def assert_nothing_kept(runtime: Runtime) -> None:
    with runtime.database.read() as session:
        for model in (CatalogueRevision, EventRow, InterventionRow, ContactRow, RecipientRow):
            assert session.scalar(select(func.count()).select_from(model)) == 0
        assert not load_catalogue(session).systems


BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    + [
        f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]"
        for before, key in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("systems: [{code: A, name: a, needs: [B]}]", "A needs B, which is not in the catalogue."),
        ("systems: [{code: A, name: a, needs: [A]}]", "A needs itself; take it out of this need."),
        (
            "systems: [{code: A, name: a}, {code: B, name: b, needs: [{of: [A], at_least: 2}]}]",
            "asks for at least 2 of 1 systems; `at_least` goes from 1 to 1.",
        ),
        ("systems: [{code: A, name: a, recovery: soon}]", "“soon” is no duration"),
        ("systems: {A: {name: a}}", "systems: Write a list here, as in [ … ], not keys and values."),
        ('systems: [{code: A, name: "a\\u0000b"}]', "the control character U+0000"),
        (
            'operators: [{code: O, name: o, email: "a@example.org\\r\\nBcc: b@example.org"}]\nsystems: []',
            "line break",
        ),
        ("<html><body>404</body></html>", "Write keys and values here"),
        ("systems: [", "This is not YAML"),
        ("\x7fELF\x01\x00", "The control character U+007F cannot stand in a document"),
        (b"\x89PNG\r\n", "The document is not UTF-8: byte 0x89"),
        ("", "The document is empty."),
        (BOMB, "Aliases repeat more here than is read"),
        ("a: " + "[" * 5000, "more than 64 deep"),
        ("systems: !!python/object/apply:os.system ['true']", "means nothing here; take it out."),
    ],
)
def test_catalogue_that_cannot_be_used_is_answered_in_sentences(
    janela: Janela,
    written: Callable[[str, str | bytes], Path],
    runtime: Runtime,
    document: str | bytes,
    sentence: str,
) -> None:
    file = written("catalogue.yaml", document)

    for words in (["--dry-run"], []):
        result = janela("catalogue", "import", file, *words)

        assert result.exit_code == 1
        assert "nothing was used" in result.output
        assert sentence in result.output
        assert f"{file}" in result.output
        assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)
    assert_nothing_kept(runtime)


def test_one_mistake_among_many_systems_keeps_all_of_them_out(
    janela: Janela, written: Callable[[str, str | bytes], Path], runtime: Runtime
) -> None:
    lines = [f"  - {{code: S-{n}, name: s}}" for n in range(500)] + ["  - {code: T, name: t, needs: [S-500]}"]

    result = janela("catalogue", "import", written("c.yaml", "systems:\n" + "\n".join(lines)))

    assert "c.yaml:502: systems[500].needs[0]: T needs S-500, which is not in the catalogue." in result.output
    assert_nothing_kept(runtime)


def test_catalogue_of_ten_megabytes_is_taken(
    janela: Janela, written: Callable[[str, str | bytes], Path], runtime: Runtime
) -> None:
    number = 39_000
    words = "palavras " * 18
    systems = [
        {
            "code": f"S-{n:06}",
            "name": {"pt": f"Sistema {n}", "en": f"System {n} {words}"},
            "needs": [f"S-{(n + 1) % number:06}"],
        }
        for n in range(number)
    ]
    file = written("big.json", json.dumps({"systems": systems}))
    assert file.stat().st_size > 10_000_000

    result = janela("catalogue", "import", file)

    assert result.exit_code == 0, result.output
    assert f"Were added: {number:,}" in result.output
    with runtime.database.read() as session:
        assert len(load_catalogue(session).systems) == number


def test_document_over_the_limit_is_refused_before_it_is_read(
    settings: Settings, clock: MovedClock, written: Callable[[str, str | bytes], Path]
) -> None:
    small = Settings({"DATABASE_URL": settings["DATABASE_URL"], "IMPORT_LIMIT_MB": "1"})
    runtime = create_runtime(small, clock=clock)
    schema.upgrade(runtime.database)
    file = written("big.yaml", "systems: []\n#" + "x" * 1_000_000)

    for command in (["catalogue", "import"], ["directory", "import"], ["plan"]):
        result = CliRunner().invoke(cli, [*command, str(file)], obj=runtime)

        assert result.exit_code == 1
        assert (
            "more than 1 MB, the most that is read. Split it, or raise JANELA_IMPORT_LIMIT_MB."
            in result.output
        )
    runtime.database.dispose()


def test_thousands_of_mistakes_are_counted_and_the_first_are_shown(
    janela: Janela, written: Callable[[str, str | bytes], Path]
) -> None:
    file = written("c.yaml", "systems:\n" + "\n".join("  - {code: a, name: x}" for _ in range(3000)))

    result = janela("catalogue", "import", file)

    # Each code is none, and stands twice but for the first.
    assert "… and 5899 more." in result.output
    assert len(result.output.splitlines()) == 102


@pytest.mark.parametrize(
    ("find", "write", "sentence"),
    [
        (
            "system: EXADATA, impact: OUTAGE",
            "system: EXDATA, impact: OUTAGE",
            "EXDATA is not in the catalogue. Did you",
        ),
        ("end: 2019-12-01T08:00", "end: 2019-11-29T08:00", "The phase ends no later than it starts"),
        ("impact: OUTAGE", "impact: 3", "“3” is not one of NO-IMPACT"),
        ("start: 2019-11-30T14:00", "start: Saturday", "“Saturday” is no time."),
        ("class: planned", "class: [planned]", "Write one of planned, emergency."),
        ("value: servicedesk@spms.min-saude.pt", 'value: "a@example.org\\nBcc: x"', "line break"),
        ("reminders:", "reminder:", "There is no key `reminder` here. Did you mean `reminders`?"),
        ("timezone: Europe/Lisbon", "timezone: WET+1", "There is no time zone “WET+1”"),
    ],
)
def test_intervention_that_cannot_be_used_is_answered_in_sentences(
    janela: Janela,
    written: Callable[[str, str | bytes], Path],
    runtime: Runtime,
    find: str,
    write: str,
    sentence: str,
) -> None:
    assert janela("catalogue", "import", EXAMPLE / "catalogue.yaml").exit_code == 0
    original = (EXAMPLE / "intervention.yaml").read_text()
    assert find in original
    file = written("intervention.yaml", original.replace(find, write, 1))

    result = janela("plan", file, "--announce")

    assert result.exit_code == 1
    assert sentence in result.output
    assert f"{file}:" in result.output
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(InterventionRow)) == 0


def test_window_in_a_skipped_hour_is_taken_with_a_warning(
    janela: Janela, written: Callable[[str, str | bytes], Path]
) -> None:
    original = (EXAMPLE / "intervention.yaml").read_text()
    moved = original.replace("2019-11-30T14:00", "2020-03-29T01:30").replace("2019-12-01", "2020-03-29")

    result = janela(
        "forecast", "--catalogue", EXAMPLE / "catalogue.yaml", written("skipped.yaml", moved), "--json"
    )

    printed = json.loads(result.output)
    assert result.exit_code == 0
    assert printed["warnings"]
    # 01:30 does not exist that night: it is read as 02:30 summer time, 01:30 UTC.
    assert {window["start"] for window in printed["windows"]} == {"2020-03-29T01:30:00Z"}


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"LANG": "pt_PT.UTF-8"},
            "nada foi usado:\n{file}:1: systems[0].nam: Não existe aqui a chave `nam`.",
        ),
        ({"LANG": "pt_PT.UTF-8"}, "systems[0].nam: Não existe aqui a chave `nam`. Queria dizer `name`?"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "pt"}, "Falta `name`; acrescente."),
        ({"LANG": "pt_PT.UTF-8", "LC_ALL": "C"}, "There is no key `nam` here. Did you mean `name`?"),
        ({"LANG": "tlh_AQ"}, "nothing was used:"),
    ],
)
def test_terminal_is_told_its_mistakes_in_its_language(
    runtime: Runtime,
    written: Callable[[str, str | bytes], Path],
    environment: dict[str, str],
    sentence: str,
) -> None:
    file = written("c.yaml", "systems: [{code: A, nam: a}]")
    spoken = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG"), "") | environment

    result = CliRunner().invoke(cli, ["catalogue", "import", str(file)], obj=runtime, env=spoken)

    assert result.exit_code == 1
    assert sentence.format(file=file) in result.output


def test_refusal_is_told_in_the_language_of_the_terminal(runtime: Runtime) -> None:
    result = CliRunner().invoke(
        cli, ["interventions", "show", "X"], obj=runtime, env={"LC_ALL": "pt_PT.UTF-8"}
    )

    assert "Não existe a intervenção X" in result.output


def test_directory_that_cannot_be_used_is_answered_in_sentences(
    janela: Janela, written: Callable[[str, str | bytes], Path], runtime: Runtime
) -> None:
    good = (EXAMPLE / "directory.csv").read_text()
    header, _, records = good.partition("\n")
    file = written("directory.csv", f'{header}\nHOSP-99,"=1+1",hospitals,A,a@example.org\n{records}')

    result = janela("directory", "import", file)

    assert result.exit_code == 1
    assert "nothing was used" in result.output
    assert f"{file}:2: The record has 5 cells and the header 10 columns" in result.output
    # Audiences and systems are those of the catalogue, which is empty here.
    assert "The audience hospitals is not in the catalogue." in result.output
    assert_nothing_kept(runtime)


def test_reference_case_is_taken_whole(janela: Janela, runtime: Runtime) -> None:
    catalogue, directory, plan = (
        EXAMPLE / n for n in ("catalogue.yaml", "directory.csv", "intervention.yaml")
    )

    assert "Would be added: 18" in janela("catalogue", "import", catalogue, "--dry-run").output
    assert_nothing_kept(runtime)
    assert "Were added: 18" in janela("catalogue", "import", catalogue).output
    assert "Nothing differs; nothing was changed." in janela("catalogue", "import", catalogue).output
    assert "Contacts to add: 300" in janela("directory", "import", directory, "--dry-run").output
    assert "Institutions added: 62" in janela("directory", "import", directory).output
    assert "Nothing differs; nothing was changed." in janela("directory", "import", directory).output
    assert janela("plan", plan, "--announce").exit_code == 0


def test_dry_run_lists_fields_and_announced_windows_that_would_change(
    janela: Janela, written: Callable[[str, str | bytes], Path]
) -> None:
    janela("catalogue", "import", EXAMPLE / "catalogue.yaml")
    janela("plan", EXAMPLE / "intervention.yaml", "--announce")
    original = (EXAMPLE / "catalogue.yaml").read_text()
    file = written(
        "c.yaml", original.replace("[RNU], otherwise: DEGRADED", "[RNU]").replace("6000000", "7000000")
    )

    shown = janela("catalogue", "import", file, "--dry-run")
    told = json.loads(janela("catalogue", "import", file, "--dry-run", "--json").output)

    assert shown.exit_code == 0
    assert "PEM  volume:" in shown.output
    assert "SPMS-2019-EXADATA is announced with other windows than this catalogue gives." in shown.output
    assert {(c["system"], c["field"]) for c in told["changes"]} == {
        ("PEM", "volume"),
        ("AREA-CIDADAO", "needs"),
        ("MYSNS", "needs"),
    }
    (altered,) = told["announced_windows_that_would_change"]
    assert [w["impact"] for w in altered["before"] if w["system"] == "MYSNS"] == ["DEGRADED"]
    assert [w["impact"] for w in altered["after"] if w["system"] == "MYSNS"] == ["OUTAGE"]
    # Nothing was changed by looking.
    assert json.loads(janela("catalogue", "import", file, "--dry-run", "--json").output) == told


def test_prune_under_announced_work_is_refused(
    janela: Janela, written: Callable[[str, str | bytes], Path]
) -> None:
    janela("catalogue", "import", EXAMPLE / "catalogue.yaml")
    janela("plan", EXAMPLE / "intervention.yaml", "--announce")

    result = janela("catalogue", "import", written("c.yaml", "systems: [{code: PEM, name: x}]"), "--prune")

    assert result.exit_code == 1
    assert "EXADATA cannot be retired: the intervention SPMS-2019-EXADATA works on it" in result.output
