"""The catalogues of every language: complete, faithful to their source, compiled, and drawable."""

import subprocess
from collections import Counter

import polib
import pytest

from system_parts import require
from tools.catalogues import LIBRARY, course_messages, merged, read_catalogue
from tools.check_lessons import code_complaints
from tools.check_translations import entry_complaints, glossary_complaints, glyph_complaints, read_glossary
from tools.layout import HERE
from tools.lessons import read_lesson
from tools.notebooks import untranslated
from tools.runtime_catalogues import compiled, runtime_messages
from tools.translation_status import lesson_table, status, status_lines, with_table

LESSONS = [read_lesson(path) for path in HERE.lesson_files()]
NAMES = [LIBRARY, *(lesson.name for lesson in LESSONS)]
every_language = pytest.mark.parametrize("language", HERE.translated_languages)
every_catalogue = pytest.mark.parametrize("name", NAMES)


def entries(name, language):
    """The translated entries of a catalogue; those that are fuzzy are complained of elsewhere."""
    return [entry for entry in read_catalogue(HERE, name, language).translated_entries() if not entry.fuzzy]


@every_language
@every_catalogue
def test_nothing_is_missing_fuzzy_or_obsolete(name, language):
    lacks = status(HERE, LESSONS)[language, name]
    assert (lacks.missing, lacks.fuzzy, lacks.obsolete) == ((), (), ())


@every_language
@every_catalogue
def test_a_catalogue_is_what_a_fresh_extraction_writes(name, language):
    catalogue = read_catalogue(HERE, name, language)
    text = HERE.catalogue(name, language).read_text(encoding="utf-8")
    assert str(merged(catalogue, course_messages(HERE, LESSONS)[name])) == text


@every_language
@every_catalogue
def test_translations_keep_what_is_not_words(name, language):
    assert [complaint for entry in entries(name, language) for complaint in entry_complaints(entry)] == []


@every_language
@every_catalogue
def test_translations_follow_the_glossary(name, language):
    glossary = read_glossary(HERE.glossary)
    complaints = [
        complaint
        for entry in entries(name, language)
        for complaint in glossary_complaints(glossary, language, entry.msgid, entry.msgstr)
    ]
    assert complaints == []


@every_language
@every_catalogue
def test_msgfmt_is_silent(name, language, tmp_path):
    command = [require("msgfmt"), "-c", "-o", str(tmp_path / "out.mo"), str(HERE.catalogue(name, language))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@every_language
def test_the_compiled_catalogue_is_a_fresh_one(language):
    assert HERE.runtime_catalogue(language).read_bytes() == compiled(HERE, language), "run `make notebooks`"


@every_language
def test_every_message_can_be_drawn(language):
    texts = list(runtime_messages(HERE, language).values())
    assert texts
    assert glyph_complaints(texts, language) == []


def test_every_english_message_can_be_drawn():
    messages = [message for some in course_messages(HERE, LESSONS).values() for message in some]
    assert glyph_complaints([message.text for message in messages if "code" in message.kinds], "en") == []


def test_no_message_of_the_library_is_hidden_from_translators():
    found = {
        HERE.relative(path): [
            line for line in code_complaints(path.read_text(encoding="utf-8")) if "lines;" not in line
        ]
        for path in HERE.library_files()
    }
    assert {path: complaints for path, complaints in found.items() if complaints} == {}


@every_language
def test_the_glossary_has_every_term_in_every_language(language):
    assert [term for term, words in read_glossary(HERE.glossary).items() if not words.get(language)] == []


def test_the_readme_shows_the_lessons_as_they_are():
    readme = (HERE.root / "README.md").read_text(encoding="utf-8")
    advice = "run `python -m tools.translation_status --readme`"
    assert with_table(readme, lesson_table(HERE, LESSONS)) == readme, advice


# Each check is shown what it is there to notice.


def entry(source, translation, kinds="prose"):
    return polib.POEntry(msgid=source, msgstr=translation, comment=kinds)


@pytest.mark.parametrize(
    ("source", "translation", "kinds", "complaint"),
    [
        ("{a} of {b}", "{a} von {c}", "code", "placeholder lost: {b!s:}"),
        ("{a:.2f}", "{a:.1f}", "code", "placeholder"),
        ("{a} rows", "a} Zeilen", "code", "placeholder"),
        ("%s rows", "Zeilen", "code", "placeholder lost: %s"),
        ("name: ", "Name:", "code", "white space"),
        ("copied with 785 questions", "mit 758 Fragen kopiert", "prose", "number lost: 785"),
        ("1,599 wines", "1.600 Weine", "code", "number lost: 1599"),
        ("# 28 by 28", "# 28 mal 26", "comment", "number lost: 28"),
        ("0.7 MB", "7 MB", "prose", "number lost: 07"),
        ("see [it](a.md)", "siehe [es](b.md)", "prose", "link lost: a.md"),
        ("![it](a.png)", "![es](b.png)", "prose", "picture"),
        ("$x$ grows", "$y$ wächst", "prose", "formula"),
        ("$$x$$ grows", "x wächst", "prose", "formula"),
        ("call `f`", "`g` rufen", "prose", "code span"),
        ("`f`", "f", "code", "code span"),
        ("a **b** c", "a b c", "prose", "emphasis lost: strong"),
        ("a **b** c", "「a」**「b」**c", "prose", "**"),
        ("a[^1]", "a", "prose", "footnote"),
        ("a", "1. a", "prose", "block added"),
        ("a", "# a", "prose", "block"),
        ("a", "a <b>", "prose", "HTML"),
        ("a b", "a\nb", "prose", "line breaks"),
    ],
)
def test_a_loss_is_noticed(source, translation, kinds, complaint):
    found = entry_complaints(entry(source, translation, kinds))
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(
    ("source", "translation", "kinds"),
    [
        ("{a} of {b}", "von {b}: {a}", "code"),
        ("See [it](a.md) and `f`", "`f` und [das](a.md)", "prose"),
        ("x * y * z", "x * y", "comment"),
        ("a **b** c", "a**b**c", "prose"),
        ("50% of $x$", "50 % von $x$", "code, prose"),
        ("1,599 of 70,000 at 0.7", "0,7 bei 1.599 von 70\u00a0000", "prose"),
        ("ten digits", "10 Ziffern", "prose"),
    ],
)
def test_a_good_translation_is_left_in_peace(source, translation, kinds):
    assert entry_complaints(entry(source, translation, kinds)) == []


def test_a_wrong_term_is_noticed():
    glossary = {"key": {"de": ["Schlüssel"]}, "key store": {"de": ["Schlüsselspeicher", "Ablage"]}}
    assert len(glossary_complaints(glossary, "de", "The key store", "Der Speicher")) == 1
    assert glossary_complaints(glossary, "de", "The key store", "Die ABLAGE") == []
    assert glossary_complaints(glossary, "de", "A monkey sees `key`, KEY and *The Key*", "Ein Affe") == []
    assert len(glossary_complaints(glossary, "de", "Key, or a key store", "Ablage")) == 1
    assert glossary_complaints(glossary, "ja", "The key", "鍵") == []


def test_a_missing_glyph_and_a_broken_formula_are_noticed():
    assert glyph_complaints(["Wörter", "言葉", "$x^2$ €"], "ja") == []
    found = glyph_complaints(["fine", "\U00013000", r"$\nothing$"], "de")
    assert len(found) == 2


def test_what_is_untranslated_is_listed(tmp_path):
    broken = type(HERE)(tmp_path, ("en", "de"))
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "01_a.py").write_text("# %% [markdown]\n# # Title\n")
    lesson = read_lesson(broken.lesson_files()[0])
    assert untranslated(broken, [lesson])["01_a", "de"] == ["translations/de/01_a.po: missing: 'Title'"]
    lines = status_lines(status(broken, [lesson]))
    assert Counter(line.split()[2] for line in lines) == Counter({"2": 1, "1": 1})


def test_a_readme_without_markers_is_an_error():
    with pytest.raises(ValueError, match="lessons:begin"):
        with_table("# Course\n", "| a |")
