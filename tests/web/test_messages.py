"""What messages say: in both languages, by our templates or the application's, and nothing that somebody else wants."""

import html.parser

import jinja2
import pytest
from flask import Blueprint, Flask

from flask_tessera.accounts.recipients import Recipient
from flask_tessera.services.messages import CODES, LINKS, NO_ACCOUNT, NOTICES, PURPOSES, Facts, inert, moment
from flask_tessera.web.messages import write_message

PHONE = Recipient("phone", "+8613800138000")
MAIL = Recipient("email", "anna@example.com")
URL = "https://shop.example/auth/links/tst_secret?a=1&b=2"
CODE = Facts(code="493021", minutes=5)
LINK = Facts(link=URL, minutes=30, site="shop.example")
NOTICE = Facts(site="shop.example", device="Chrome 126.0 on Windows", ip="203.0.113.7", factor="TOTP", at=1_700_000_000)


@pytest.fixture
def app():
    return Flask("shop", template_folder="none")


class Tags(html.parser.HTMLParser):
    """The tags, links and words of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.words = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("recipient", [PHONE, MAIL])
@pytest.mark.parametrize("purpose", CODES)
def test_a_code_is_in_text_and_html_with_how_long_it_is_good_and_not_in_the_subject(app, purpose, recipient, language):
    message = write_message(app, purpose, recipient, language, CODE)
    assert (message.to, message.kind, message.purpose) == (recipient.address, recipient.kind, purpose)
    assert (message.code, message.link, message.language) == ("493021", "", language)
    assert "493021" in message.text
    assert "5" in message.text.replace("493021", "")
    assert "493021" not in message.subject
    assert message.subject
    assert list(message.template.items()) == [("code", "493021"), ("minutes", "5")]
    if recipient is MAIL:
        assert "493021" in Tags(message.html).words
    else:
        assert message.html == ""


@pytest.mark.parametrize("purpose", CODES)
def test_a_code_in_chinese_fits_into_one_text_message(app, purpose):
    """70 characters, less the name in brackets that a gateway puts before it."""
    assert len(write_message(app, purpose, PHONE, "zh", CODE).text) <= 55


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("purpose", LINKS)
def test_a_link_stands_in_a_line_of_its_own_and_is_the_only_one_of_the_html(app, purpose, language):
    message = write_message(app, purpose, MAIL, language, LINK)
    assert (message.code, message.link) == ("", URL)
    assert URL in message.text.split("\n")
    assert "30" in message.text
    assert Tags(message.html).links == [URL]
    assert message.template == {"link": URL, "minutes": "30"}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("recipient", [PHONE, MAIL])
@pytest.mark.parametrize("purpose", [*NOTICES, NO_ACCOUNT])
@pytest.mark.parametrize("facts", [Facts(), NOTICE])
def test_a_notice_needs_no_fact_and_has_neither_code_nor_link(app, purpose, recipient, language, facts):
    message = write_message(app, purpose, recipient, language, facts)
    assert (message.code, message.link) == ("", "")
    assert message.subject
    assert message.text
    assert "None" not in message.text
    assert "{" not in message.text
    assert "()" not in message.text
    assert "（）" not in message.text
    assert ("shop.example" in message.text) == bool(facts.site)
    if message.html:
        assert Tags(message.html).links == []


def test_a_notice_says_what_is_known(app):
    english = write_message(app, "new_device", MAIL, "en", NOTICE)
    assert "Chrome 126.0 on Windows" in english.text
    assert "203.0.113.7" in english.text
    assert "2023-11-14 22:13 UTC" in english.text
    assert "2023-11-15 06:13（北京时间）" in write_message(app, "new_device", MAIL, "zh", NOTICE).text
    assert english.template == {
        "device": "Chrome 126.0 on Windows",
        "ip": "203.0.113.7",
        "factor": "TOTP",
        "at": "2023-11-14 22:13 UTC",
    }


@pytest.mark.parametrize("purpose", PURPOSES)
def test_both_languages_have_a_text_and_each_its_own(app, purpose):
    texts = [write_message(app, purpose, MAIL, language, CODE).text for language in ("zh", "en")]
    assert texts[1].isascii()
    assert not texts[0].isascii()


HOSTILE = [
    '<img src=x onerror="alert(1)"><a href="https://evil.example">click</a>',
    "{{ 7 * 7 }}{% raw %}{{ config }}",
    "Your account is locked, visit evil.example or https://evil.example/now",
    "call anna@evil.example",
    "a\r\nBcc: mallory@example.com\n\nhello",
    "\u202egnp.exe\u2066\x1b[2J\0\u2028",
    "very long " * 100,
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("purpose", NOTICES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_hostile_name_is_inert(app, purpose, language, name):
    message = write_message(app, purpose, MAIL, language, Facts(device=name, factor=name, ip=name))
    plain = write_message(app, purpose, MAIL, language, Facts(device="d", factor="f", ip="i"))
    page = Tags(message.html)
    assert (page.tags, page.links) == (Tags(plain.html).tags, [])
    assert message.subject == plain.subject
    for text in (message.text, page.words, *message.template.values()):
        assert "evil.example" not in text
        assert "://" not in text
        assert "@" not in text
        assert "49" not in text
        assert "\u202e" not in text
    assert message.text.isprintable()
    assert len(message.text) < len(plain.text) + 120


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Chrome 126.0.1 on Windows 11", "Chrome 126.0.1 on Windows 11"),
        ("李雷的 iPhone", "李雷的 iPhone"),
        ("evil.com", "evil com"),
        ("evil.短信", "evil 短信"),
        ("1.2.evil", "1.2 evil"),
        ("evil.1com", "evil 1com"),
        ("evil。com", "evil com"),
        ("http://a/b\\c", "http: a b c"),
        ("a@b", "a b"),
        ("", ""),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_what_is_left_of_a_name(name, shown):
    assert inert(name) == shown


def test_a_moment_is_of_china_in_chinese_and_of_utc_otherwise():
    assert moment(0, "zh") == "1970-01-01 08:00（北京时间）"
    assert moment(0, "en") == "1970-01-01 00:00 UTC"


@pytest.fixture
def templates(tmp_path):
    folder = tmp_path / "templates" / "tessera" / "messages"
    folder.mkdir(parents=True)
    return folder


def test_the_applications_templates_win(templates, tmp_path):
    app = Flask("shop", template_folder=str(tmp_path / "templates"))
    (templates / "login.en.txt").write_text(
        "{% set subject %}Shop: your code{% endset %}\n{{ code }} ({{ kind }}) & done\n"
    )
    message = write_message(app, "login", MAIL, "en", CODE)
    assert (message.subject, message.text) == ("Shop: your code", "493021 (email) & done")
    # The HTML is made of their text, until they have one.
    assert "493021 (email) & done" in Tags(message.html).words
    assert write_message(app, "login", MAIL, "zh", CODE).subject == "登录验证码"
    assert write_message(app, "register", MAIL, "en", CODE).subject == "Your code to register"


def test_the_applications_html_wins_and_is_escaped(templates, tmp_path):
    app = Flask("shop", template_folder=str(tmp_path / "templates"))
    (templates / "new_device.en.html").write_text("<h1>{{ subject }}</h1><b>{{ device }}</b>")
    message = write_message(app, "new_device", MAIL, "en", Facts(device="<i>x"))
    assert message.html == "<h1>A new device is logged in</h1><b>&lt;i&gt;x</b>"
    assert message.text.startswith("Your account was used")


def test_the_applications_own_layout_and_purpose(templates, tmp_path):
    app = Flask("shop", template_folder=str(tmp_path / "templates"))
    (templates / "message.html").write_text("{{ paragraphs|join('|') }}")
    (templates / "invite.en.txt").write_text("{% set subject %}Come{% endset %}Come in.\n\n{{ link }}")
    message = write_message(app, "invite", MAIL, "en", LINK)
    assert (message.subject, message.text) == ("Come", f"Come in.\n\n{URL}")
    assert message.html == "Come in.|" + URL.replace("&", "&amp;")
    with pytest.raises(jinja2.TemplateNotFound):
        write_message(app, "invite", MAIL, "zh", LINK)


def test_templates_of_a_blueprint_are_found_too(templates, tmp_path):
    app = Flask("shop", template_folder="none")
    write_message(app, "login", MAIL, "en", CODE)
    app.register_blueprint(Blueprint("accounts", __name__, template_folder=str(tmp_path / "templates")))
    (templates / "login.en.txt").write_text("Blueprint {{ code }}")
    other = Flask("shop", template_folder="none")
    other.register_blueprint(Blueprint("accounts", __name__, template_folder=str(tmp_path / "templates")))
    message = write_message(other, "login", PHONE, "en", CODE)
    assert (message.subject, message.text) == ("", "Blueprint 493021")


def test_an_application_without_escaping_and_with_other_delimiters_has_the_same_messages():
    class Odd(Flask):
        jinja_options = {"variable_start_string": "[[", "variable_end_string": "]]", "block_start_string": "[%"}  # noqa: RUF012

        def select_jinja_autoescape(self, _filename):
            return False

    odd, plain = Odd("shop"), Flask("shop")
    facts = Facts(device="<b>x</b>")
    assert write_message(odd, "new_device", MAIL, "en", facts) == write_message(plain, "new_device", MAIL, "en", facts)


def test_facts_show_no_secret_in_their_repr():
    assert "493021" not in repr(CODE)
