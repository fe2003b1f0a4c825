"""What messages and pages say: every template renders, in the customer's language and form, with nothing of others'."""

import string
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from followup.domain.plays_file import parse_plays
from followup.domain.reach import Route
from followup.domain.sending import Taken
from followup.mails import Links, Writer
from followup.tokens import Seal, hashed, new_token
from followup.wording import Unwritable, Wording, candidates
from followup.words import WORDS, accepted, speak
from hypothesis import given
from hypothesis import strategies as st

from tests.support.followup import PLAYS, Story, at, profile, received, resolved

LINKS = Links("https://care.example.org", Seal(b"secret"))
MAIL = Route("email", "default", "ada@example.org")
TEXT = Route("sms", "sms", "+4917012345")
NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


def taken(template: str = "thanks", subject: str = "Invoice wrong", way: Route = MAIL, **fields: str) -> Taken:
    told = Story().take_in(profile(**fields), received("0 08:00", subject=subject), resolved("0 10:00"))
    customer = told.customer()
    survey = next(one for one in customer.followups.values() if one.do == "survey")
    followup = survey.but(template=template, promised_at=at("0 16:00"))
    return Taken(followup, customer, customer.contacts["C-1"], None, way)


def write(one: Taken, folder=None):
    writer = Writer(Wording(folder, "en"))
    return writer.write(one, writer.choose(one), "T", parse_plays(PLAYS), LINKS, NOW)


def texts(mail) -> tuple[str, str]:
    return mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()


TEMPLATES = sorted(
    path.name.removesuffix(".txt") for path in (files("followup") / "mail").iterdir() if path.name.endswith(".txt")
)
MAILS = [name for name in TEMPLATES if not name.endswith(".short")]


@pytest.mark.parametrize("name", MAILS)
def test_every_template_of_ours_renders_as_text_and_html(name):
    template, language, *form = name.split(".")
    fields = {"form_of_address": form[0]} if form else {}
    mail = write(taken(template, language=language, **fields))
    plain, html = texts(mail)
    assert mail["Content-Language"] == language
    assert mail["Subject"]
    assert "Invoice wrong" in plain or template == "welcome"
    assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
    assert "https://care.example.org/u/" in plain
    assert "https://care.example.org/u/" in html


@pytest.mark.parametrize("name", [name for name in MAILS if name.startswith("thanks")])
def test_a_survey_says_which_end_of_its_scores_is_which(name):
    _, language, *form = name.split(".")
    _, html = texts(write(taken(language=language, **({"form_of_address": form[0]} if form else {}))))
    assert f"1 = {WORDS[language]['csat_low']}" in html
    assert f"5 = {WORDS[language]['csat_high']}" in html


def test_a_name_of_another_script_does_not_turn_what_stands_around_it():
    _, html = texts(write(taken(name="ليلى", subject="سؤال (1)", language="de")))
    assert "Guten Tag <bdi>ليلى</bdi>," in html
    assert "„<bdi>سؤال (1)</bdi>“" in html


def text_of(one: Taken, folder=None) -> str:
    writer = Writer(Wording(folder, "en"))
    return writer.write_text(one, writer.choose(one), "T", parse_plays(PLAYS), LINKS)


@pytest.mark.parametrize("name", MAILS)
def test_every_template_of_ours_has_a_short_one_for_telephones(name):
    template, language, *form = name.split(".")
    said = text_of(taken(template, language=language, way=TEXT, **({"form_of_address": form[0]} if form else {})))
    assert f"{name}.short" in TEMPLATES
    assert "Subject" not in said
    assert len(said.replace(LINKS.unsubscribe("K-1", "survey"), "")) < 250
    assert said.endswith(LINKS.unsubscribe("K-1", "survey"))
    assert (LINKS.survey("T") in said) is (template == "thanks")


def test_a_text_made_from_a_mails_template_has_no_subject_and_a_way_out(tmp_path):
    (tmp_path / "ask.en.txt").write_text("Subject: Ask\n\nHow was it? {{ survey_url }}\n")
    said = text_of(taken("ask", way=TEXT), tmp_path)
    assert said == f"How was it? {LINKS.survey('T')}\n{LINKS.unsubscribe('K-1', 'survey')}"
    (tmp_path / "ask.en.short.txt").write_text("{{ nmae }}")
    with pytest.raises(Unwritable, match="nmae"):
        text_of(taken("ask", way=TEXT), tmp_path)


def test_a_promised_time_is_told_in_the_readers_zone():
    plain, _ = texts(write(taken("received", timezone="America/New_York")))
    assert "March 2, 2026" in plain
    assert "11:00\N{NARROW NO-BREAK SPACE}AM EST." in plain
    plain, _ = texts(write(taken("received", timezone="Asia/Kolkata", language="de")))
    assert "2. März 2026, 21:30 GMT+05:30" in plain
    plain, _ = texts(write(taken("received", timezone="America/St_Johns", language="de")))
    assert "2. März 2026, 12:30 GMT-03:30" in plain


def test_languages_and_forms_fall_back_in_order():
    assert candidates("thanks", "de-AT", "formal", "en") == [
        "thanks.de-AT.formal.txt",
        "thanks.de-AT.txt",
        "thanks.de.formal.txt",
        "thanks.de.txt",
        "thanks.en.formal.txt",
        "thanks.en.txt",
    ]
    assert candidates("thanks", "zh_hant_tw", None, "en") == [
        "thanks.zh_hant_tw.txt",
        "thanks.zh-Hant-TW.txt",
        "thanks.zh-Hant.txt",
        "thanks.zh.txt",
        "thanks.en.txt",
    ]
    assert candidates("thanks", "de", "formal", "de", short=True) == [
        "thanks.de.formal.short.txt",
        "thanks.de.formal.txt",
        "thanks.de.short.txt",
        "thanks.de.txt",
    ]
    assert write(taken(language="de-AT", form_of_address="formal"))["Content-Language"] == "de"
    assert write(taken(language="DE"))["Content-Language"] == "de"
    assert write(taken(language="De_at"))["Content-Language"] == "de"
    assert write(taken(language="tlh"))["Content-Language"] == "en"
    assert write(taken(language="../../etc"))["Content-Language"] == "en"


def test_what_customers_write_is_never_markup_nor_a_header():
    mail = write(taken(subject="<script>\r\nBcc: all@example.org", name="<b>Ada</b>"))
    assert mail["Bcc"] is None
    assert "<script>" not in texts(mail)[1]
    assert "&lt;b&gt;Ada" in texts(mail)[1]


def test_templates_of_a_folder_come_first_and_are_shut_in(tmp_path):
    (tmp_path / "thanks.en.txt").write_text("Subject: Ours\n\nDear {{ name }}")
    assert write(taken(), tmp_path)["Subject"] == "Ours"
    (tmp_path / "thanks.en.txt").write_text("Subject: x\n\n{{ name.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(Unwritable, match="SecurityError"):
        write(taken(), tmp_path)
    (tmp_path / "thanks.en.txt").write_text("Subject: x\n\n{{ nmae }}")
    with pytest.raises(Unwritable, match="nmae"):
        write(taken(), tmp_path)
    with pytest.raises(Unwritable, match="none for"):
        write(taken("unheard-of"))


def test_every_language_says_everything():
    for language, words in WORDS.items():
        assert words.keys() == WORDS["en"].keys(), language


def test_the_page_speaks_what_the_reader_wishes_first():
    assert speak(None, "de-CH", "fr") == "de"
    assert speak("es", "de") == "es"
    assert speak("ja", None) == "en"
    assert accepted("de;q=0.5, ar, *;q=0.1, fr;q=0, ü;q=x") == ["ar", "de", "*"]


@given(customer=st.text(max_size=200), purpose=st.text(max_size=50))
def test_a_sealed_token_opens_to_what_was_sealed_and_says_nothing(customer, purpose):
    seal = Seal(b"secret")
    token = seal.close(customer, purpose)
    assert seal.open(token) == (customer, purpose)
    assert Seal(b"another").open(token) is None
    assert seal.open(token[:-2] + ("AA" if token[-2:] != "AA" else "BB")) is None


@given(token=st.text(max_size=100))
def test_what_is_no_token_opens_nothing(token):
    assert Seal(b"secret").open(token) is None


def test_tokens_are_long_and_kept_as_hashes():
    one, other = new_token(), new_token()
    assert one != other
    assert len(one) >= 22
    assert hashed(one) != one


@pytest.mark.parametrize("customer", ["K-1", "K-12", "K-123"])
def test_a_seal_with_any_one_letter_altered_or_added_is_none(customer: str):
    seal = Seal(b"secret")
    token = seal.close(customer, "survey")
    letters = {*string.ascii_letters, *string.digits, "-", "_", "!", "\n", "="}
    assert all(seal.open(f"{token[:place]}{letter}{token[place:]}") is None for place in (0, 5) for letter in letters)
    for place, old in enumerate(token):
        for letter in letters - {old}:
            assert seal.open(f"{token[:place]}{letter}{token[place + 1 :]}") is None
