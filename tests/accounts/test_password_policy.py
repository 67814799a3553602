"""Which new passwords are refused, and that all others are taken as they are."""

import itertools
import logging
import secrets
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.accounts import common_passwords, password_patterns
from flask_tessera.accounts.password_policy import PasswordPolicy
from flask_tessera.accounts.passwords import LONGEST_PASSWORD
from flask_tessera.errors import InputError, ThrottledError

WORDS = ("+86 138 0013 8000", "zhangsan@example.com", "Zhang San", "张三")


@pytest.fixture
def policy():
    return PasswordPolicy(8)


def slug_of(policy, password, words=()) -> str:
    """What is said about a password; empty where it is taken."""
    try:
        assert policy.check(password, words) is None
    except InputError as error:
        return error.slug
    return ""


# Length


@pytest.mark.parametrize("password", ["", "x", "seven!!", "正确的马电池书", "\U0001f600" * 7, "e\u0301" * 3])
def test_L04_fewer_characters_than_the_minimum_are_too_few(policy, password):
    assert slug_of(policy, password) == "password_too_short"


@pytest.mark.parametrize("password", ["kqwhzmvd", "正确的马电池钉书", "👍🎈🐎🔋📎🌂🍵🧦", "ke\u0301qwhzm"])
def test_L04_characters_are_code_points_not_bytes(policy, password):
    assert len(password) == 8
    assert slug_of(policy, password) == ""
    assert slug_of(PasswordPolicy(9), password) == "password_too_short"


@pytest.mark.parametrize("length", [64, 128, 1000])
def test_L03_long_passwords_are_taken(policy, length):
    assert slug_of(policy, secrets.token_urlsafe(length)[:length]) == ""


# What is common


def test_L04_the_list_has_more_than_ten_thousand_passwords_and_all_are_refused(policy):
    assert len(common_passwords.frequent()) >= 10_000
    long = [password for password in common_passwords.frequent() if len(password) >= policy.minimum]
    assert len(long) > 10_000
    assert [password for password in long if slug_of(policy, password) != "password_common"] == []


TRIVIAL = """
    password Password1 Password1! P@ssw0rd2024! PASSWORD!!! 123password 1234password1234 drag0n123 monkey!! l3tmein!
    trustno1 $unshine 5unsh1ne! Admin@123 root1234 changeme1 qwerty123! Qwerty2019 iloveyou520 i-love-you-1
    pass-word-1 ｐａｓｓｗｏｒｄ１ password١٢٣ passwordpassword monkeymonkey1
"""
CHINESE = """
    woaini1314 woaini520 5201314520 1314520520 a123456789 qq123456 aa123456 zhangsan123 zhangwei1990 wangwei19901231
    liuxiaoming88 lj19900101 wang123456 woaibeijing1 woaizhangwei wodemima123 taobao2020 huawei@123 13800138000
    8613912345678 19900101 1990-01-01 900101zs zs900101 01011990 7758521520 我爱你12345 woshishui1 147258369 xiaoli123
"""
KEYS = """
    qwertyuiop asdfghjkl zxcvbnm123 1qaz2wsx !QAZ2wsx 1qazxsw2 zaq12wsx qwerasdf 123qweasd 1q2w3e4r 1q2w3e4r5t
    q1w2e3r4 abcdefgh hgfedcba abcd1234 1234qwer a1b2c3d4 12345678 87654321 0987654321 123456789012 112233445566
    99887766 abcdcba123 12344321 !@#$%^&* )(*&^%$#
"""
HARDER = """
    footba11 baseba11 ddffgghhjj fghjkjhgf tttttthhhhh nixihuanshei88 $rfv%tgb^yhn gfdsasdfg
"""
REPEATED = ["11111111", "aaaaaaaa", "abcabcabc", "xyxyxyxyx", "aaaa1111", "00000001", "!!!!!!!!", "1!1!1!1!", "哈" * 8]


@pytest.mark.parametrize("password", [*f"{TRIVIAL}{CHINESE}{KEYS}{HARDER}".split(), *REPEATED])
def test_L04_what_many_people_choose_is_refused(policy, password):
    assert slug_of(policy, password) == "password_common"


OWN = """
    13800138000 0013800138000 38001380 8000138000! zhangsan123 ZhangSan!! Zh4ng54n 张三123456 zhangsan13800138000
    zhangsan19900101 1990zhangsan0101 sanzhangsan1 zhang.san.2024 zhangsanzhang woaizhangsan1314 mima-zhangsan
    tessera-2024 Tessera!Tessera tesserazhangsan
"""


@pytest.mark.parametrize("password", OWN.split())
def test_L04_what_is_made_of_the_persons_or_the_applications_words_is_refused(password):
    assert slug_of(PasswordPolicy(8, words=("tessera",)), password, WORDS) == "password_common"


@pytest.mark.parametrize("password", ["quxowlbert12", "Quxowlbert!!", "qux0wlb3rt99", "quxowlbertquxowlbert"])
def test_L04_a_word_is_common_only_for_whom_it_is_known_of(policy, password):
    assert slug_of(policy, password) == ""
    assert slug_of(policy, password, ["x@example.com", "Quxowlbert"]) == "password_common"
    assert slug_of(policy, password, ["Quxowlbert@example.com"]) == "password_common"
    assert slug_of(policy, password, ["x@quxowlbert.org"]) == ""


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
LOCALS = st.lists(NAMES, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from("._-+").map(lambda s: s.join(parts))
)
DOMAINS = st.lists(NAMES, min_size=2, max_size=3).map(".".join)
AFFIXES = st.sampled_from(["", "1", "123", "1990", "2024!", "!!", "19900101", "-", "woai", "my"])


@given(LOCALS, DOMAINS, st.sampled_from(["@", "", ".", "-"]), st.booleans(), st.randoms(), AFFIXES, AFFIXES)
def test_L04_an_email_address_is_no_password_of_its_owner(local, domain, sign, is_whole, random, before, after):
    end = domain if is_whole else domain.partition(".")[0]
    mixed = "".join(random.choice((each.lower(), each.upper())) for each in f"{local}{sign}{end}")
    address = random.choice((f"{local}@{domain}", f"{local}@{domain}".upper()))
    assert common_passwords.is_common(f"{before}{mixed}{after}", [address])


ADDRESSES = """
    lovelace@gmail.com:lovelace@gmail.com lovelace@gmail.com:lovelacegmail lovelace@gmail.com:LoveLace@Gmail!
    zhangsan@qq.com:zhangsan@qq.com zhangsan@163.com:zhangsan163 ada.lovelace@gmail.com:ada@gmail2024
    ada+shop@gmail.com:ada@gmail.com x@quxowlbert.org:x@quxowlbert.org 12345678@qq.com:12345678@qq.com
    lovelace1990@gmail.com:lovelace@gmail.com ada@mail.example.co.uk:ada@mail.example.co.uk
"""


@pytest.mark.parametrize("pair", ADDRESSES.split())
def test_L04_what_is_made_of_the_email_address_is_refused(policy, pair):
    address, password = pair.split(":")
    assert slug_of(policy, password, [address]) == "password_common"


def test_L04_the_longest_email_address_is_no_password_of_its_owner(policy):
    address = f"{'quxowl' * 10}@{'.'.join(['bert' * 15] * 3)}.org"
    assert slug_of(policy, address, []) == ""
    assert slug_of(policy, address, [address]) == "password_common"


@pytest.mark.parametrize("password", ["gmailherons9", "quxowlbert-gmail-com", "gmail.com/kqwhzm"])
def test_L04_the_domain_of_an_address_is_no_word_of_its_owner(policy, password):
    assert slug_of(policy, password, ["lovelace@gmail.com"]) == ""


PHRASES = [
    *("correct horse battery staple", "four words that nobody guesses", "another password", "a password of your own"),
    *("a very plain password", "zhangsan loves cold noodles", " kqw hzmvd ", "\tkqwhzmv\n", "我家的猫喜欢吃鱼"),
]
# No rule asks for a capital letter, a digit, or anything.
TAKEN = """
    mfwqpzkd hqzmwkvdxb KXQVPZLW 83920174 8204719365 48271639502847 kX3vPq9Lz T7-qmWz_4xPd Zr8kd02m xkq48219pd
    correcthorsebatterystaple purplemonkeydishwasher tea&zhangsan&rain #%&/§=?}
"""


@pytest.mark.parametrize("password", [*PHRASES, *TAKEN.split()])
def test_L04_everything_else_is_taken_whatever_it_is_made_of(policy, password):
    assert slug_of(policy, password, WORDS) == ""


def test_L04_random_passwords_are_taken(policy):
    made = [secrets.token_urlsafe(9) for _ in range(500)]
    assert [password for password in made if slug_of(policy, password, WORDS)] == []


def test_L04_numbers_that_speak_are_read_in_one_way_only():
    """None begins another, so no number of any length is read in two ways, and none takes long."""
    numbers = sorted(password_patterns.SPEAKING)
    assert [pair for pair in itertools.pairwise(numbers) if pair[1].startswith(pair[0])] == []


@pytest.mark.parametrize("words", [["", " ", "@", "x", "-", None, 5, b"zhang"], ["x " * 100_000], ["\ud800\0"]])
def test_L04_words_of_any_kind_are_borne(policy, words):
    assert slug_of(policy, "kX3vPq9Lz", words) == ""


# Any text


@pytest.mark.parametrize(
    "password", ["a\0bcdefgh", "\ud800" * 20, "x" * (LONGEST_PASSWORD + 1), "é" * 513, "x" * 10_000_000]
)
def test_L03_what_cannot_be_hashed_is_malformed_before_anything_looks_at_it(password):
    asked = []
    assert slug_of(PasswordPolicy(8, asked.append), password) == "input_malformed"
    assert asked == []


@pytest.mark.parametrize("password", [None, True, 1, b"bytes of it", ["x" * 9], {"$ne": ""}])
def test_L18_what_is_no_text_is_malformed(policy, password):
    assert slug_of(policy, password) == "input_malformed"


@given(st.text(), st.lists(st.text(), max_size=3))
def test_L04_any_text_is_borne(password, words):
    policy = PasswordPolicy(8)
    assert slug_of(policy, password, words) in {"", "password_too_short", "password_common", "input_malformed"}


LETTERS = st.sampled_from(
    ["a", "1", "12", "258", "520", "!", "-", "woai", "wang", "li", "qwe", "\n", "0", "ni", "ﷺ", "İ"]
)


@given(st.lists(LETTERS, max_size=LONGEST_PASSWORD).map("".join))
def test_X13_texts_made_to_be_taken_apart_in_many_ways_are_borne(password):
    policy = PasswordPolicy(8)
    assert slug_of(policy, password, WORDS) in {"", "password_too_short", "password_common", "input_malformed"}


# Breaches


def test_L04_the_hook_is_asked_about_the_very_password_and_only_about_what_passes_otherwise():
    asked = []
    policy = PasswordPolicy(8, lambda password: asked.append(password) or password.startswith(" leaked"))
    assert slug_of(policy, " leaked Caf\u0065\u0301 ") == "password_breached"
    assert slug_of(policy, "kX3vPq9Lz") == ""
    assert slug_of(policy, "short") == "password_too_short"
    assert slug_of(policy, "Password1!") == "password_common"
    assert asked == [" leaked Caf\u0065\u0301 ", "kX3vPq9Lz"]


def test_L04_G02_a_hook_that_fails_lets_the_password_pass_and_is_logged_without_it(caplog):
    def look_up(password):
        raise OSError(f"no file for {password}")

    assert slug_of(PasswordPolicy(8, look_up), "kX3vPq9Lz") == ""
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "OSError" in caplog.text
    assert "in look_up" in caplog.text
    assert "kX3vPq9Lz" not in caplog.text


def test_L04_an_error_of_this_package_in_the_hook_is_the_answer(caplog):
    def look_up(password):
        raise ThrottledError(5)

    with pytest.raises(ThrottledError):
        PasswordPolicy(8, look_up).check("kX3vPq9Lz")
    assert caplog.records == []


# The list


def test_the_list_is_read_at_first_use_without_the_rest_of_zxcvbn():
    code = (
        "import sys\n"
        "from flask_tessera.accounts.password_policy import PasswordPolicy\n"
        "from flask_tessera.accounts.common_passwords import frequent\n"
        "print(frequent.cache_info().currsize)\n"
        "PasswordPolicy(8).check('kX3vPq9Lz')\n"
        "print(frequent.cache_info().currsize, [name for name in sys.modules if 'zxcvbn' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0", "1 []"]


def test_without_zxcvbn_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['zxcvbn'] = None\n"
        "from flask_tessera.accounts.password_policy import PasswordPolicy\n"
        "PasswordPolicy(8).check('kX3vPq9Lz')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: checking passwords needs the module zxcvbn: add the extra [accounts]" in done.stderr
