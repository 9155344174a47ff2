"""The reader's language is found where the plan says, and messages come in it."""

import warnings

import polib
import pytest

from course_lib import i18n

FROM_ENVIRONMENT = ("COURSE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def silent_environment(monkeypatch, tmp_path):
    for variable in FROM_ENVIRONMENT:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    i18n._warn_of_unknown.cache_clear()


@pytest.fixture
def german(monkeypatch, tmp_path):
    """A catalogue with one German message in the place where messages are looked up."""
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    messages = polib.POFile()
    messages.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
    messages.append(polib.POEntry(msgid="The file {path} is missing.", msgstr="Die Datei {path} fehlt."))
    messages.save_as_mofile(str(folder / "course.mo"))
    monkeypatch.setattr(i18n, "LOCALE_FOLDER", tmp_path / "locale")


def test_each_source_of_the_language_yields_to_the_one_before_it(monkeypatch, tmp_path):
    assert i18n.language() == "en"
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert i18n.language() == "ja"
    monkeypatch.setenv("COURSE_LANG", "pt_BR")
    assert i18n.language() == "pt-BR"
    notebooks = tmp_path / "notebooks" / "zh-CN" / "more"
    notebooks.mkdir(parents=True)
    monkeypatch.chdir(notebooks)
    assert i18n.language() == "zh-CN"
    with i18n.use_language("de"):
        assert i18n.language() == "de"
    assert i18n.language() == "zh-CN"


@pytest.mark.parametrize("folder", ["notebooks/fr", "notes/de", "de"])
def test_other_folders_say_nothing(monkeypatch, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    assert i18n.language() == "en"


def test_an_unknown_setting_is_told_once_and_read_as_english(monkeypatch):
    monkeypatch.setenv("COURSE_LANG", "klingon")
    monkeypatch.setenv("LANG", "de_DE")
    with pytest.warns(UserWarning, match=r"COURSE_LANG=klingon .*en, de, pt-BR, ja, zh-CN") as told:
        assert i18n.language() == "en"
        assert i18n._("Deutsch") == "Deutsch"
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert i18n.language() == "en"


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en_US.UTF-8", "en"),
        ("C.UTF-8", "en"),
        ("POSIX", "en"),
        ("de_AT@euro", "de"),
        ("DE", "de"),
        ("pt", "pt-BR"),
        ("pt_PT.UTF-8", "pt-BR"),
        ("ja_JP.eucJP", "ja"),
        ("zh", "zh-CN"),
        ("zh-Hans-HK", "zh-CN"),
        ("zh_CN.GB18030", "zh-CN"),
        ("zh_TW.UTF-8", None),
        ("zh-Hant-CN", None),
        ("zh_HK", None),
        ("den", None),
        ("fr_FR", None),
        ("", None),
    ],
)
def test_locale_names_match_the_language_their_reader_reads(tag, code):
    assert i18n.match(tag) == code


def test_gettexts_list_of_languages_is_read_in_its_order(monkeypatch):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.setenv("LANGUAGE", "fr:de:en")
    assert i18n.language() == "de"


def test_on_windows_the_systems_own_language_counts(monkeypatch):
    monkeypatch.setattr(i18n.sys, "platform", "win32")
    monkeypatch.setattr(i18n, "_windows_language", lambda: "de_CH")
    assert i18n.language() == "de"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("fr", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en;q=0.5, ja", "ja"),
        ("de;q=0, ja;q=0.1", "ja"),
        ("de;q=0", "en"),
        ("de;q=much, zh-CN;q=0.2", "zh-CN"),
        ("de;q=nan, ja;q=0.2", "ja"),
        ("de ; q=0.3, ja;q=0.2", "de"),
    ],
)
def test_accept_language(header, code):
    assert i18n.best_language(header) == code


@pytest.mark.usefixtures("german")
def test_messages_are_looked_up_when_they_are_shown():
    message = i18n.N_("The file {path} is missing.")
    assert i18n._(message).format(path="a") == "The file a is missing."
    with i18n.use_language("de"):
        assert i18n._(message).format(path="a") == "Die Datei a fehlt."
        assert i18n._("Not in the catalogue") == "Not in the catalogue"
        assert i18n._("") == ""
    with i18n.use_language("ja"):
        assert i18n._(message).format(path="a") == "The file a is missing."


def test_a_language_that_is_none_of_the_five_cannot_be_used():
    with pytest.raises(ValueError, match="en, de, pt-BR, ja, zh-CN, not '../de'"), i18n.use_language("../de"):
        pass


def test_a_deleted_working_folder_says_nothing(monkeypatch, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert i18n.language() == "en"
    monkeypatch.chdir(tmp_path)
