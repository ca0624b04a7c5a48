"""Finding e-mail addresses, phone numbers, payment cards and IBANs in a text.

A number is one of these by its form and its checksum or numbering plan, as python-stdnum and
Google's libphonenumber know them. A national phone number has no mark of its own: it counts when it
is grouped as that country groups its numbers, or when a word such as "phone" stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

LIKELY_EMAIL = r"[^\s@]@[^\s@]+\."
LIKELY_PHONE = r"[0-9](?:[\s().\-/\x{2010}-\x{2013}\x{a0}]{0,3}[0-9]){6,}"
LIKELY_CARD = r"[0-9](?:[\s.\-\x{2010}-\x{2013}\x{a0}]?[0-9]){12,}"
LIKELY_IBAN = r"(?i)(?:^|[^a-z0-9])[a-z]{2}[ \-]?[0-9]{2}(?:[ \-.\x{a0}]?[a-z0-9]){11,}"

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "BR")
"""Whose national phone numbers are looked for."""

# Legal but unused signs that elsewhere mean something (= / ? { } | ' at the edge) end an address,
# so that "mail=a@b.org" keeps its name.
_BEFORE_AT = re.compile(r"(?:[\w.+%!#$*^~&-]|(?<=\w)['\u2019](?=\w))+$")
_FROM_AT = re.compile(
    r"@(?![0-9]x\.)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,12}(?:xn--[a-z0-9-]{1,59}|[^\W\d_]{2,63})"
)
_LONGEST_BEFORE_AT = 64
_CARD = re.compile(
    r"(?<![\w])(?<![0-9]\.)"
    r"(?:[0-9]{13,19}"
    r"|[0-9]{4}(?:([\s.\-\u2010-\u2013\xa0])[0-9]{4})(?:\1[0-9]{4}){1,2}(?:\1[0-9]{1,4})?"
    r"|[0-9]{4}([\s.\-\u2010-\u2013\xa0])[0-9]{6}\2[0-9]{4,5})"
    r"(?![\w]|\.[0-9])"
)
_ISSUER = re.compile(
    r"4(?:.{12}|.{15}|.{18})|3[47].{13}|5[1-5].{14}|2[2-7].{14}|3[0689].{12,17}|35.{14,17}"
    r"|(?:5[0678]|6|81|82).{11,17}"
)
"""First digits and lengths that the large issuers give out."""
_IBAN = re.compile(
    r"(?i)(?<![a-z0-9])[a-z]{2}[ \-]?[0-9]{2}(?:[ \-.\xa0]?[a-z0-9]){11,30}(?![a-z0-9])"
)
_PHONE = re.compile(
    r"(?<![\w.,+/=-])(?<![0-9]:)(?:(?:\+|00)[\s(]{0,2})?\(?[0-9](?:[\s().\-/\u2010-\u2013\xa0]{0,3}[0-9]){6,16}(?![\w])"
)
_NO_PHONE = re.compile(
    r"(?<![0-9])[0-9]{4}-[01][0-9]-[0-3][0-9](?![0-9])|^[0-9]+\.[0-9]+$|(?:[0-9]{1,3}\.){3}[0-9]"
)
"""A date, a number with decimals, or a network address."""
_NATIONAL = re.compile(r"\(?0[1-9]|\([0-9]{3}\)|[0-9]{3}([-. \xa0])[0-9]{3}\1[0-9]{4}")
"""How a national number begins that needs no word before it: as in most of Europe, or as in the
United States."""
_FEWEST_DIGITS = 9
_CUE = re.compile(
    r"(?i)(?:phone|telephone|mobile|cell|handy|fax|whatsapp|tel|call(?: me| us)?(?: at| on)?"
    r"|text me(?: at| on)?)\b[^\w+(]{0,3}(?:(?:number|no|nr|is|at|on)\b[^\w+(]{0,3}){0,2}$"
)


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Where each e-mail address of ``text`` begins and ends."""
    for match in _FROM_AT.finditer(text):
        at = match.start()
        before = _BEFORE_AT.search(text, max(0, at - _LONGEST_BEFORE_AT), at)
        if before:
            yield before.start(), match.end()


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Where each payment card number of ``text`` begins and ends: issuer, length, Luhn's sum."""
    from stdnum import luhn

    for match in _CARD.finditer(text):
        digits = re.sub("[^0-9]", "", match[0])
        if _ISSUER.fullmatch(digits) and luhn.is_valid(digits):
            yield match.span()


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Where each IBAN of ``text`` begins and ends: country, structure and check digits."""
    from stdnum import iban

    for match in _IBAN.finditer(text):
        if sum(c.isdigit() for c in match[0]) < 8:
            continue
        ends = [end for end in range(15, len(match[0])) if not match[0][end].isalnum()]
        for end in (len(match[0]), *reversed(ends)):  # words may follow an IBAN
            if iban.is_valid(match[0][:end].replace("\xa0", " "), check_country=False):
                yield match.start(), match.start() + end
                break


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Where each phone number of ``text`` begins and ends."""
    for match in _PHONE.finditer(text):
        if _NO_PHONE.search(match[0]):
            continue
        cued = bool(_CUE.search(text, max(0, match.start() - 40), match.start()))
        for start, end in _phones_in(match[0], cued):
            yield match.start() + start, match.start() + end


@lru_cache(maxsize=4096)
def _phones_in(candidate: str, cued: bool) -> tuple[tuple[int, int], ...]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    if candidate.startswith("00"):
        shifted = _phones_in("+" + candidate[2:], cued)
        return tuple((max(0, start + (start > 0)), end + 1) for start, end in shifted)
    tries: list[tuple[str | None, int]]
    if candidate.startswith("+"):
        tries = [(None, Leniency.POSSIBLE)]
    elif cued:
        tries = [*((region, Leniency.VALID) for region in REGIONS), ("US", Leniency.POSSIBLE)]
    elif candidate.isdecimal():
        return ()
    else:
        tries = [(region, Leniency.EXACT_GROUPING) for region in REGIONS]
    for region, leniency in tries:
        spans = tuple(
            (m.start, m.end)
            for m in PhoneNumberMatcher(candidate, region, leniency)
            if cued or region is None or _is_national(m.raw_string)
        )
        if spans:
            return spans
    return ()


def _is_national(number: str) -> bool:
    digits = sum(c.isdigit() for c in number)
    return digits >= _FEWEST_DIGITS and bool(_NATIONAL.match(number))
