"""Masking: what is personal or secret goes, everything else stays letter for letter."""

from __future__ import annotations

import string
import time

import phonenumbers
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from toolkit.logs.redact import KINDS, redact, redact_text

CARDS = ("4", "51", "55", "2221", "2720", "34", "37", "6011", "65", "3528", "36", "62", "56")
IBANS = {"DE": 18, "GB": None, "FR": None, "NO": 11, "NL": None}
ALNUM = string.ascii_letters + string.digits


@st.composite
def cards(draw):
    """A payment card's number with a right last digit, grouped or not."""
    start = draw(st.sampled_from(CARDS))
    length = 15 if start in {"34", "37"} else 16
    body = start + draw(st.text("0123456789", min_size=15, max_size=15))[: length - 1 - len(start)]
    number = body + luhn.calc_check_digit(body)
    gap = draw(st.sampled_from(["", " ", "-"]))
    cuts = (4, 10) if length == 15 else (4, 8, 12)
    ends = [*cuts, length]
    return gap.join(number[a:b] for a, b in zip([0, *cuts], ends, strict=True))


@st.composite
def ibans(draw):
    """An IBAN with right check digits, grouped or not, in capitals or not."""
    digits = draw(st.text("0123456789", min_size=23, max_size=23))
    country, bban = draw(
        st.sampled_from(
            [
                ("DE", digits[:18]),
                ("NO", digits[:11]),
                ("GB", "NWBK" + digits[:14]),
                ("FR", digits[:23]),
                ("NL", "ABNA" + digits[:10]),
                ("MT", "MALT" + digits[:5] + "MTLCAST" + digits[:11]),
            ]
        )
    )
    number = f"{country}{iban.calc_check_digits(f'{country}00{bban}')}{bban}"
    number = draw(st.sampled_from([number, iban.format(number)]))
    return draw(st.sampled_from([number, number.lower()]))


def letters(low, high=None, alphabet=ALNUM):
    """Random letters of a key; at least one digit stands among them."""
    return st.text(alphabet, min_size=low, max_size=high or low).map(lambda text: text[:-1] + "7")


keys = st.one_of(
    letters(20, 60).map("sk-{}".format),
    letters(40, 60).map("sk-proj-{}".format),
    letters(30, 60, ALNUM + "-_").map("sk-ant-api03-{}".format),
    letters(16, 16, string.ascii_uppercase + string.digits).map("AKIA{}".format),
    letters(36).map("ghp_{}".format),
    letters(60).map("github_pat_{}".format),
    letters(12, 20, string.digits).map(lambda t: f"xoxb-{t}-{t}-{t}abc"),
    letters(35).map("AIza{}".format),
    letters(34).map("hf_{}".format),
    letters(24).map("sk_live_{}".format),
    letters(20, 40).map(lambda t: f"eyJhbGciOiJIUzI1NiJ9.eyJ{t}.{t}"),
    letters(40, 900, ALNUM + "+/\n").map(
        lambda t: f"-----BEGIN RSA PRIVATE KEY-----\n{t}\n-----END RSA PRIVATE KEY-----"
    ),
)
named = st.tuples(
    st.sampled_from(
        [
            "Bearer ",
            "api_key=",
            'api-key: "',
            "API_KEY = '",
            '"client_secret":"',
            "password=",
            "token: ",
        ]
    ),
    letters(16, 40),
)
emails = st.builds(
    "{}@{}.{}".format,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._%+-]{0,30}[A-Za-z0-9]", fullmatch=True)
    | st.sampled_from(["o'brien", "josé", "a", "jürgen.müller", "r&d", "x!y"]),
    st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,10}(\.[a-z0-9]{1,5}){0,2}", fullmatch=True)
    | st.sampled_from(["münchen", "例え"]),
    st.sampled_from(["com", "org", "co.uk", "io", "MUSEUM", "xn--p1ai", "рф"]),
)
planted = st.one_of(emails, cards(), ibans(), keys)
around = st.text(st.characters(codec="utf-8", exclude_characters="@")).map(
    lambda text: text[:-1] if text[-1:].isalnum() else text
)
edges = st.sampled_from([" ", "\n", '"', "(", ", ", "<", "\t", "; "])


@settings(max_examples=300, deadline=None)
@given(around, edges, planted, edges, around)
def test_nothing_planted_survives(before, left, secret, right, after):
    """An address, card, IBAN or key is gone, whatever stands around it."""
    masked, counts = redact_text(f"{before}{left}{secret}{right}{after}")
    assert secret not in masked
    assert counts.total() >= 1


@settings(max_examples=100, deadline=None)
@given(around, named, around)
def test_a_named_secret_goes_and_its_name_stays(before, secret, after):
    """Of `api_key=…` and `Bearer …` the value goes."""
    name, value = secret
    masked, _ = redact_text(f"{before} {name}{value}\n{after}")
    assert value not in masked
    assert f"{name}[KEY]" in masked


ordinary = st.lists(
    st.one_of(
        st.text(string.ascii_letters + "äé-,;:!?'()", max_size=12),
        st.integers(-999_999, 999_999).map(str),
        st.integers(10**6, 10**9).map("{:,}".format),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.floats(-180, 180).map("{:.6f}".format),
        st.dates().map(str),
        st.datetimes().map(str),
        st.times().map(str),
        st.ip_addresses().map(str),
        st.sampled_from(
            ["key", "the token", "password", "$1,000.00", "50%", "x = 3", "f(x)", "@user", "a@b"]
        ),
    ),
    max_size=8,
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(ordinary)
def test_ordinary_texts_stay(text):
    """Words, numbers, dates, times, coordinates and network addresses are not touched."""
    assert redact_text(text) == (text, {})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(planted, ordinary, st.text(), edges), max_size=6).map("".join))
def test_masking_twice_is_masking_once(text):
    """A masked text has nothing left to mask."""
    masked, _ = redact_text(text)
    assert redact_text(masked) == (masked, {})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.one_of(planted, ordinary), max_size=12))
def test_a_column_is_its_texts(values):
    """A column is masked as each of its texts is, with its nulls, and counted likewise."""
    column = pa.chunked_array(
        [pa.array(values[:5], pa.string()), pa.array(values[5:], pa.string())]
    )
    masked, counts = redact(column)
    one_by_one = [None if v is None else redact_text(v) for v in values]
    assert masked.to_pylist() == [None if one is None else one[0] for one in one_by_one]
    assert counts.total() == sum(one[1].total() for one in one_by_one if one is not None)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_types_stay_and_each_occurrence_counts(kind):
    """A column keeps its type; the same text twice counts twice."""
    column = pa.array(["mail a@b.org", None, "mail a@b.org", "hi"], kind)
    masked, counts = redact(column)
    assert masked.type == kind
    assert masked.to_pylist() == ["mail [EMAIL]", None, "mail [EMAIL]", "hi"]
    assert counts == {"email": 2}
    assert redact(pa.array([], kind))[0].type == kind


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to joe@ex.com, please", "Write to [EMAIL], please"),
        ("{'email':'joe@ex.com'}", "{'email':'[EMAIL]'}"),
        ("https://x.io/?mail=joe@ex.com&n=1", "https://x.io/?mail=[EMAIL]&n=1"),
        ("card 4111 1111 1111 1111.", "card [CARD]."),
        ("4111111111111111,378282246310005", "[CARD],[CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN [IBAN] is mine"),
        ("call 415-555-2671 or +44 20 7946 0958", "call [PHONE] or [PHONE]"),
        ("Tel.: 0176 12345678", "Tel.: [PHONE]"),
        ("My phone number is 4155552671.", "My phone number is [PHONE]."),
        ("(415) 555-2671", "[PHONE]"),
        ("0049 30 901820", "[PHONE]"),
        ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer [KEY]"),
        ("postgres://joe:hunter2@db.example.com/x", "postgres://joe:[KEY]@db.example.com/x"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADA", "[KEY]"),
        (
            "key: '-----BEGIN PRIVATE KEY-----\\nMIIE+/=\\n-----END PRIVATE KEY-----\\n'",
            "key: '[KEY]\\n'",
        ),
    ],
)
def test_only_the_secret_goes(text, masked):
    """A mask takes the place of the secret and of nothing else."""
    assert redact_text(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn's sum is wrong
        "1234567890123452",  # no issuer begins with 1
        "0.4111111111111111",
        "DE89 3704 0044 0532 0130 01",
        "parcel 1234567890, case LAX2019080202",
        "192.168.100.200 and 10.0.0.1:8080",
        "lat 37.4224764, lon -122.0842499",
        "speed of light 299792458 m/s",
        "2024-01-15 10:30:00 to 2024-02-15",
        "1700000000000 ms since 1970",
        "123e4567-e89b-12d3-a456-426614174000",
        "d41d8cd98f00b204e9800998ecf8427e",
        "icon@2x.png lodash@4.17.21 @user",
        "sk-learn-contrib-projects bearer of responsibilities",
        "token: string; password: required; api_key=os.environ['KEY']",
        "def f(self, key=None, secret=get_secret('a')):",
        "555-1234",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]",
        "2 1 4 8\n6 0 3 9\n5 7 7 6\n1 2 3 4",
    ],
)
def test_what_only_looks_like_one_stays(text):
    """Numbers that fail a checksum, code and identifiers are left as they are."""
    assert redact_text(text) == (text, {})


def test_phone_numbers_of_every_country_are_found():
    """An international number is masked whichever country it is from, grouped or not."""
    missed = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        number = number or phonenumbers.example_number(region)
        for form in (
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.E164,
        ):
            text = f"ring {phonenumbers.format_number(number, form)} today"
            if redact_text(text)[0] != "ring [PHONE] today":
                missed.append(text)
    assert not missed


def test_long_texts_take_time_in_proportion():
    """No text, however it is made, takes long: a twice as long one takes about twice."""
    parts = [
        "a",
        "1",
        "a@",
        "x@a.",
        "o'",
        "api_key=",
        "eyJ",
        "sk-",
        "de12 1 ",
        "4444 ",
        "://a:b",
        " ",
    ]
    began = time.perf_counter()
    for part in parts:
        text = part * (50_000 // len(part))
        for kind in KINDS:
            list(kind.find(text))
    assert time.perf_counter() - began < 20


def test_real_prompts_lose_addresses_only(bfcl_dir):
    """Of 1,700 real prompts, full of numbers, dates and places, only e-mail addresses go."""
    prompts = pa.csv.read_csv(
        bfcl_dir / "bfcl_prompts.csv.gz", parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    )["prompt"]
    masked, counts = redact(prompts)
    assert counts == {"email": 12}
    changed = [a for a, b in zip(prompts.to_pylist(), masked.to_pylist(), strict=True) if a != b]
    assert all("@" in text for text in changed)
