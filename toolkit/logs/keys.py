"""Finding keys and other secrets in a text.

Most services give their keys a prefix of their own, as they document, so that they can be found;
those are listed. A key without one is known by the name that it is given (``api_key=…``,
``Authorization: Bearer …``), and then has to look like one: a word of the language does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LIKELY = (
    r"(?i)-----BEGIN|\beyJ|sk-|[sr]k_|AKIA|ASIA|ABIA|ACCA|A3T|gh[pousr]_|github_pat_|glpat-|xox|xapp-"
    r"|hooks\.slack|AIza|ya29\.|GOCSPX-|hf_|gsk_|xai-|pplx-|r8_|npm_|pypi-|SG\.|whsec_|dop_v1_"
    r"|shp[a-z]{2}_|dapi[0-9a-f]|[0-9]{8}:AA|bearer|authorization"
    r"|(?:key|secret|token|passwor[dt]|passwd|pwd)[\"']?\s{0,3}(?::|=)|://[^\s/:@]*:"
)
"""RE2: a text without any of these has no secret that is found here."""

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?P<loose>sk-[A-Za-z0-9_-]{16,})"
    r"|(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"
    r"|https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9_/]{20,}"
    r"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}"
    r"|r8_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{24,}|dop_v1_[a-f0-9]{64}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"
    r"|dapi[a-f0-9]{32}|(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"
    r")"
)
_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:(?!-----)[\s\S])*-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|[A-Za-z0-9+/=\s\\:,.-]*)"
)
"""A private key as PEM or PGP writes it; one that is cut off, as far as it goes."""

_NAMED = re.compile(
    r"(?i)(?:"
    r"\bbearer\s+(?P<bearer>[A-Za-z0-9._~+/-]{12,}=*)"
    r"|\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|token|apikey|digest)\s+(?P<header>[^\s\"',]{8,})"
    r"|(?:api[_-]?key|access[_-]?key|secret[_-]?key|account[_-]?key|private[_-]?key|client[_-]?secret"
    r"|[_-]secret|\bsecret|[_-]token|\btoken|passwor[dt]|passwd|\bpwd)"
    r"[\"']?\s{0,3}(?:=>|:=|==?|:)\s{0,3}[\"']?(?P<value>[^\s\"'`,;<>(){}\[\]&|]{8,})(?![(\[])"
    r")"
)
_IN_ADDRESS = re.compile(r"://[^\s/:@\[]{0,200}:([^\s/@\[]{1,200})@(?=[\w\[])")
"""The password of ``scheme://user:password@host``."""


def keys(text: str) -> Iterator[tuple[int, int]]:
    """Where each secret of ``text`` begins and ends; of a named one, the value alone."""
    for match in _BLOCK.finditer(text):
        yield match.span()
    for match in _PREFIXED.finditer(text):
        if match["loose"] is None or _looks_random(match["loose"][3:]):
            yield match.span()
    for match in _NAMED.finditer(text):
        kind = match.lastgroup or ""
        if _looks_random(match[kind]):
            yield match.span(kind)
    for match in _IN_ADDRESS.finditer(text):
        yield match.span(1)


def _looks_random(value: str) -> bool:
    """Whether a value is no word or name: it has digits, or letters in no order of case."""
    if any(c.isdigit() for c in value):
        return True
    if re.search(r"[a-z][A-Z]+[a-z]+[A-Z]|[A-Z]{2}[a-z]+[A-Z]", value):
        return True
    return bool(re.search(r"[A-Za-z]{20,}", value))
