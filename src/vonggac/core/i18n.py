"""The words of the pages: written in English in the code, said in Vietnamese by a catalog (gettext through Babel).

Vietnamese comes first: every text has a Vietnamese form, and a test compares the catalog with the sources. English
needs no catalog. The catalog (`translations/vi/LC_MESSAGES/vonggac.po`) is compiled at set-up:

    python -m vonggac.core.i18n compile    write the compiled catalogs that the pages read
    python -m vonggac.core.i18n update     bring the catalogs up to date with the sources
"""

from __future__ import annotations

import gettext
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vonggac.core.errors import NotInitialised

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

DOMAIN = "vonggac"
LANGUAGES: dict[str, str] = {"vi": "Tiếng Việt", "en": "English"}
"""Codes of the languages and what each calls itself."""

CATALOG_LANGUAGES = ("vi",)
_PACKAGE = Path(__file__).parent.parent
CATALOGS = _PACKAGE / "translations"
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "N_": None,
    "say": None,
    "plural": (1, 2),
    "ngettext": (1, 2),
}


def N_(message: str) -> str:  # noqa: N802 (gettext's own name for it)
    """Mark a text for the catalog where it is defined, to be translated where it is shown."""
    return message


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return the texts of a language; NotInitialised when its catalog was not compiled."""
    if language not in CATALOG_LANGUAGES:
        return gettext.NullTranslations()
    try:
        return gettext.translation(DOMAIN, CATALOGS, [language])
    except FileNotFoundError:
        raise NotInitialised(
            f"The catalog of the language {language} is not compiled. Run: make setup "
            "(or: python -m vonggac.core.i18n compile)"
        ) from None


def preferred(accept_language: str, default: str) -> str:
    """Return the language that a browser's Accept-Language asks for first (RFC 9110 §12.5.4), else the default."""
    best, best_weight = default, 0.0
    for part in accept_language[:500].split(","):
        tag, _, weight_text = part.partition(";")
        code = tag.strip().lower().split("-")[0]
        try:
            weight = float(weight_text.strip().removeprefix("q=")) if weight_text else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and weight > best_weight:
            best, best_weight = code, weight
    return best


def catalog_path(language: str) -> Path:
    """Return where a language's catalog lies."""
    return CATALOGS / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def read_catalog(language: str) -> Catalog:
    """Return the catalog of a language as it is kept in the repository."""
    from babel.messages.pofile import read_po

    with catalog_path(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def extract() -> Catalog:
    """Return every text of the sources, with the files it stands in."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir

    found = Catalog(project="Vọng Gác", charset="utf-8")
    for path, _line, message, comments, context in extract_from_dir(
        _PACKAGE, method_map=_METHODS, keywords=_KEYWORDS, comment_tags=("i18n:",), strip_comment_tags=True
    ):
        # The file alone: with line numbers the catalog would change with every edit.
        found.add(message, locations=[(path, 0)], auto_comments=comments, context=context)
    return found


def update() -> None:
    """Bring the catalogs up to date: new texts come in empty, texts that are gone go."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import write_po

    template = extract()
    for language in CATALOG_LANGUAGES:
        path = catalog_path(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalog = read_catalog(language) if path.exists() else Catalog(locale=language, domain=DOMAIN)
        catalog.update(template, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalog, width=110, sort_output=True, ignore_obsolete=True, include_lineno=False)


def compile_catalogs() -> None:
    """Write the compiled form of every catalog beside it."""
    from babel.messages.mofile import write_mo

    for language in CATALOG_LANGUAGES:
        with catalog_path(language).with_suffix(".mo").open("wb") as file:
            write_mo(file, read_catalog(language))


def main(task: Literal["compile", "update"] | str) -> int:
    """Do one task of the catalogs' upkeep; returns the exit status."""
    tasks = {"compile": compile_catalogs, "update": update}
    if task not in tasks:
        sys.stderr.write("usage: python -m vonggac.core.i18n compile|update\n")
        return 2
    tasks[task]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
