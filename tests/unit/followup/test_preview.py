"""What a plays file would send, seen before it does: every language and form there is, and what is missing."""

from pathlib import Path

import pytest
from followup.domain.draft import Rules
from followup.domain.plays_file import parse_plays
from followup.domain.rule_book import RuleBook
from followup.playbook import read_file
from followup.preview import Rendering, preview, warn_of_missing
from followup.wording import Wording
from structlog.testing import capture_logs

from tests.support.followup import MONDAY

ASK = """
plays:
  - name: ask
    on: {type: contact.resolved}
    steps: [{after: 1d, do: survey, survey: nps, template: ask}, {after: 2d, do: check_in}]
"""


def seen(text: str, folder: Path | None = None, **templates: str) -> list[Rendering]:
    """The messages of a plays file; templates are named as files, with two dots as __."""
    for name, said in templates.items():
        assert folder is not None
        (folder / f"{name.replace('__', '.')}").write_text(said, "utf-8")
    return preview(parse_plays(text), Wording(folder, "en"), MONDAY)


def ask(folder: Path, said: str) -> Rendering:
    found = seen(ASK, folder, ask__en__txt=said)
    return next(one for one in found if one.language == "en")


def test_each_message_is_seen_in_every_language_and_form_that_there_is():
    found = seen(read_file(None))
    names = ["thanks.ar", "thanks.de", "thanks.de.informal", "thanks.en", "thanks.es", "thanks.fr"]
    assert [one.name for one in found] == names
    assert [one for one in found if one.notes or one.problems] == []
    assert {one.use.steps for one in found} == {("after-resolution, step 1",)}
    assert not any("\r" in one.text + (one.html or "") for one in found)
    german = found[1]
    assert german.subject == "Wie waren wir?"
    assert "Guten Tag Dr. Ada Rossi," in german.text
    assert "/s/sample?score=5" in (german.html or "")


def test_a_language_without_a_template_falls_back_and_says_so():
    text = ASK.replace("do: survey, survey: nps, template: ask", "do: message, template: welcome")
    french = next(one for one in seen(text) if one.language == "fr")
    assert french.notes == ["falls back: there is no welcome.fr.txt, welcome.en.txt is sent"]
    assert (french.subject, french.problems) == ("Welcome", [])


def test_a_template_that_is_nowhere_is_a_problem_once_for_all_languages():
    [one] = seen(ASK.replace("template: ask", "template: thank"))
    assert one.problems == ["no template is called 'thank'; did you mean 'thanks'?"]


def test_a_template_that_the_newest_plays_name_in_vain_is_warned_of():
    old, new = (Rules(parse_plays(ASK.replace("template: ask", f"template: {name}"))) for name in ("gone", "thank"))
    with capture_logs() as logs:
        warn_of_missing(Wording(None, "en"), RuleBook(((MONDAY, old), (MONDAY, new))))
    [warning] = logs
    assert (warning["log_level"], warning["template"]) == ("warning", "thank")
    assert warning["reason"] == "no template is called 'thank'; did you mean 'thanks'?"


def test_a_language_with_neither_a_template_nor_the_default_one_gets_nothing(tmp_path: Path):
    found = {
        one.language: one.problems for one in seen(ASK, tmp_path, ask__it__txt="Subject: Ciao\n\n{{ survey_url }}")
    }
    assert found["it"] == []
    assert found["fr"] == ["template ask: none for fr nor en"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "Subject: a\n\n{% if not name %}{{ nmae }}{% endif %}{{ survey_url }}",
            "no variable 'nmae'; did you mean 'name'?",
        ),
        ("Subject: a\n\n{{ 1 / 0 }}", "ZeroDivisionError"),
        ("Subject: a\n\n{% if not name %}{{ 1 / 0 }}{% endif %}", "ZeroDivisionError"),
        ("Subject: a\n\n{% if %}", "TemplateSyntaxError"),
        ("Subject: a\n\n{% include 'none.txt' %}", "TemplateNotFound"),
        ("Subject: a\n\nWrite us.", "no link to the survey"),
        ("\n{{ survey_url }}", "no subject"),
    ],
)
def test_a_message_that_fails_for_anybody_or_lacks_its_point_is_a_problem(tmp_path: Path, said: str, problem: str):
    [found] = ask(tmp_path, said).problems
    assert problem in found


def test_variables_of_what_a_template_is_built_upon_are_looked_at_too(tmp_path: Path):
    (tmp_path / "foot.txt").write_text("{% if false %}{{ referense }}{% endif %}")
    one = ask(tmp_path, "Subject: a\n\n{% include 'foot.txt' %}{% for score, url in scores %}{{ url }}{% endfor %}")
    assert one.problems == ["foot.txt: there is no variable 'referense'; did you mean 'reference'?"]


def test_text_without_html_beside_it_goes_out_alone(tmp_path: Path):
    one = next(
        one
        for one in seen(read_file(None), tmp_path, thanks__en__txt="Subject: Ours\n\n{{ survey_url }}")
        if one.language == "en"
    )
    assert (one.subject, one.html) == ("Ours", None)
    assert one.notes == ["there is no HTML beside thanks.en.txt: text alone is sent"]


def test_where_texts_can_be_sent_they_are_seen_beside_the_mails(tmp_path: Path):
    senders = '\nsenders: {default: {from: "a@example.org", url: "smtp://x"}, chat: {url: "json://x/{phone}"}}'
    german = [one for one in seen(read_file(None).partition("senders:")[0] + senders) if one.language == "de"]
    names = ["thanks.de", "thanks.de.informal", "thanks.de.short", "thanks.de.informal.short"]
    assert [one.name for one in german] == names
    text = german[2]
    assert (text.use.way.channel, text.subject, text.html, text.notes) == ("chat", "", None, [])
    assert text.text.startswith("Wie zufrieden sind Sie")
    by_mail = [one.name for one in seen(ASK.replace("template: ask", "template: thanks, via: email") + senders)]
    assert not [name for name in by_mail if name.endswith("short")]
    as_text = ASK.replace("template: ask", "template: ask, via: chat") + senders
    asked = seen(as_text, tmp_path, ask__en__txt="{{ survey_url }}")
    assert asked[0].notes == ["falls back: there is no ask.ar.short.txt, ask.en.txt is sent"]
