"""Which language the reader has chosen, and the messages in it.

Promises: ``_("English text")`` answers in the reader's language at the time of the call, or in
English where no translation is at hand. The reader's language is, first come first served: what
``use_language`` set; the folder ``notebooks/<language>/`` the process runs in; the environment
variable ``COURSE_LANG``; the system's locale; English.

Leaves out: plural forms (messages are worded so that none is needed), and languages close to one
of the five but not the same. European Portuguese is read as Brazilian Portuguese, which every
reader of Portuguese can read; Traditional Chinese (zh-TW, zh-HK) is *not* taken for Simplified
Chinese and gets English, unless its reader asks for ``COURSE_LANG=zh-CN``.

Messages are literals with named placeholders, filled in after the look-up:
``_("The file {path} is missing.").format(path=path)``.
"""

import gettext
import locale
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from babel.numbers import format_decimal

#: Language code -> the language's own name, in the order in which the course lists them.
LANGUAGES: dict[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "pt-BR": "Português (Brasil)",
    "ja": "日本語",
    "zh-CN": "简体中文",
}

#: Compiled messages lie in ``<language>/LC_MESSAGES/course.mo`` below this folder.
LOCALE_FOLDER = Path(__file__).parent / "locale"

_SIMPLIFIED_CHINESE_TAGS = {"cn", "sg", "hans"}
_chosen: ContextVar[str | None] = ContextVar("chosen language", default=None)


def language() -> str:
    """Return the code of the reader's language, one of `LANGUAGES`.

    A ``COURSE_LANG`` that is none of the five is answered by one warning and English.

    >>> with use_language("de"):
    ...     language()
    'de'
    """
    return _chosen.get() or _language_of_folder() or _language_of_setting() or _language_of_locale() or "en"


def _(message: str) -> str:
    """Return `message`, an English literal, in the reader's language.

    >>> with use_language("en"):
    ...     _("The file {path} is missing.").format(path="a.csv")
    'The file a.csv is missing.'
    """
    if not message:  # gettext answers "" with the catalogue's header
        return message
    return _catalogue(LOCALE_FOLDER / language() / "LC_MESSAGES" / "course.mo").gettext(message)


def N_(message: str) -> str:
    """Mark `message` for translation where it is defined; ``_(…)`` translates it where it is shown.

    >>> N_("Count the digits")
    'Count the digits'
    """
    return message


@contextmanager
def use_language(code: str) -> Iterator[None]:
    """Speak the language `code` inside the ``with`` block, in this thread or task alone.

    Raises ValueError when `code` is none of the five.

    >>> with use_language("fr"):
    ...     pass
    Traceback (most recent call last):
    ...
    ValueError: expected one of the languages en, de, pt-BR, ja, zh-CN, not 'fr'
    """
    if code not in LANGUAGES:
        raise ValueError(f"expected one of the languages {', '.join(LANGUAGES)}, not {code!r}")
    token = _chosen.set(code)
    try:
        yield
    finally:
        _chosen.reset(token)


def match(tag: str) -> str | None:
    """Return which of the five languages a reader of `tag` reads, or None.

    `tag` is a language tag or a locale's name: ``de``, ``pt_BR.UTF-8``, ``zh-Hans-CN``, ``C``.

    >>> [match(tag) for tag in ("de_AT.UTF-8", "pt-PT", "ja_JP", "zh_SG", "zh_TW", "fr")]
    ['de', 'pt-BR', 'ja', 'zh-CN', None, None]
    """
    parts = tag.split(".")[0].split("@")[0].replace("_", "-").lower().split("-")
    if parts[0] == "zh":
        simplified = len(parts) == 1 or not _SIMPLIFIED_CHINESE_TAGS.isdisjoint(parts[1:])
        return "zh-CN" if simplified and "hant" not in parts else None
    if parts[0] in ("c", "posix"):
        return "en"
    return next((code for code in LANGUAGES if code.split("-")[0] == parts[0]), None)


def best_language(accept_language: str | None) -> str:
    """Return which of the five languages suits an HTTP ``Accept-Language`` header best, else "en".

    Entries that cannot be read are passed over: a header is a wish, never an error.

    >>> best_language("fr, de-CH;q=0.8, en;q=0.9")
    'en'
    >>> best_language("zh-TW, ja;q=0.5")
    'ja'

    Source: RFC 9110, sections 12.4.2 and 12.5.4.
    """
    wishes = []
    for position, entry in enumerate((accept_language or "").split(",")):
        wish = re.fullmatch(r"\s*([\w-]+)\s*(?:;\s*[qQ]=([01](?:\.\d*)?))?\s*", entry)
        code = wish and match(wish[1])
        weight = float(wish[2] or 1) if wish else 0
        if code and weight > 0:
            wishes.append((-weight, position, code))
    return min(wishes)[2] if wishes else "en"


def number(value: float, digits: int = 0) -> str:
    """Return `value` rounded to `digits` decimals, with the marks of the reader's language.

    >>> with use_language("de"):
    ...     number(1234.56, 1)
    '1.234,6'
    """
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(value, format=pattern, locale=language().replace("-", "_"))


@lru_cache(maxsize=16)
def _catalogue(path: Path) -> gettext.NullTranslations:
    if not path.is_file():
        return gettext.NullTranslations()
    with path.open("rb") as compiled:
        return gettext.GNUTranslations(compiled)


def _language_of_folder() -> str | None:
    try:
        folders = Path.cwd().parts
    except FileNotFoundError:  # the folder was deleted under our feet: it says nothing any more
        return None
    for parent, folder in zip(folders[-2::-1], folders[:0:-1], strict=True):  # the innermost first
        if parent == "notebooks" and folder in LANGUAGES:
            return folder
    return None


def _language_of_setting() -> str | None:
    setting = os.environ.get("COURSE_LANG", "").strip()
    if not setting:
        return None
    code = match(setting)
    if code is None:
        _warn_of_unknown(setting)
        return "en"
    return code


@lru_cache(maxsize=16)  # once per value, and not at every message
def _warn_of_unknown(setting: str) -> None:
    known = ", ".join(LANGUAGES)
    warnings.warn(
        f"COURSE_LANG={setting} is none of the course's languages ({known}); going on in English.",
        stacklevel=2,
    )


def _language_of_locale() -> str | None:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):  # gettext's own order
        setting = os.environ.get(variable)
        if setting:
            return next(filter(None, map(match, setting.split(":"))), None)
    if sys.platform == "win32":
        return match(_windows_language())
    return None


def _windows_language() -> str:
    """Return the locale name of the language Windows itself speaks, for example ``de_DE``."""
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
