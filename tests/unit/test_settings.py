"""Settings: what cannot be meant is refused at the start, by the name of its variable."""

import pytest

from maintenance.database import Database, UnusableDatabase
from maintenance.settings import SETTINGS, InvalidSetting, Settings


def test_defaults_are_all_usable() -> None:
    settings = Settings.from_environment({"HOME": "/", "JANELA_TEST_KILLS": "3"})

    assert settings["TIMEZONE"] == "Europe/Lisbon"
    assert {setting.name for setting in SETTINGS} >= {"DATABASE_URL", "GUEST_LIST"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BANANA", "1", "There is no setting JANELA_BANANA"),
        ("TIMEZONE", "Europe/Lisboa", "there is no time zone “Europe/Lisboa”"),
        ("TIMEZONE", "../etc/passwd", "there is no time zone"),
        ("PUBLIC_URL", "janela.example.org", "must begin with https://"),
        ("TICK_SECONDS", "abc", "must be a whole number"),
        ("TICK_SECONDS", "0", "must be 1 at least"),
        ("SMTP_CONNECTIONS", "-3", "must be 1 at least"),
        ("ENGINE", "steam", "must be `embedded` or `celery`"),
        ("SMS_ACCENTS", "maybe", "must be `fold` or `keep`"),
    ],
)
def test_value_that_cannot_be_meant_is_refused_at_the_start(name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidSetting, match="JANELA_" + name) as refused:
        Settings.from_environment({f"JANELA_{name}": value})

    assert said in str(refused.value)


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/x", "nonsense", "steam://x"])
def test_address_of_no_database_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(UnusableDatabase) as refused:
        Database(url)

    assert "geheim" not in str(refused.value)
