"""Which language a terminal speaks: mistakes in documents and refusals are said in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from babel.support import Translations

from maintenance.settings import ROOT

_FOLDER = ROOT / "translations"


def gettext_for(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Return what translates into the language of `LC_ALL`, `LC_MESSAGES` or `LANG`, the first that is set.

    A language that Janela has no sentences in gets English, as `C` does.
    """
    named = next(
        (environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), ""
    )
    code = named.partition(".")[0]
    gettext: Callable[[str], str] = Translations.load(_FOLDER, [code, code.partition("_")[0]]).gettext
    return gettext
