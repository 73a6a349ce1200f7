"""Replaces personal data and secrets in texts before a round learns from them.

Each match becomes a placeholder such as ``<EMAIL>``; the original is stored nowhere. Template variables such as
``{{Order Number}}`` stay. Numbers are validated where that is possible (Luhn for cards, ISO 7064 for IBANs, Google's
numbering plans for phones), so that years, amounts and section numbers survive. Names of people are not found: that
takes a language model, and guesses would remove ordinary words. docs/explanation/tuning.md has the recall.
"""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import TYPE_CHECKING, Literal

import phonenumbers
import regex
from pydantic import BaseModel, ConfigDict, Field

from bot.hooks.specs import hookimpl
from bot.language.words import UNSPACED
from bot.observability.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["secret", "email", "slack", "iban", "card", "ssn", "ip", "phone", "number", "amount"]
DEFAULT_KINDS: tuple[Kind, ...] = ("secret", "email", "slack", "iban", "card", "ssn", "ip", "phone", "number")

# Digits are bounded by Latin letters alone: a script without spaces puts its letters beside them.
_PLACEHOLDER = re.compile(r"(\{\{[^{}]*\}\}|<[A-Z_]+>)")
_MORE_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bxox[a-z](?:\.xox[a-z])?-[\w-]{8,}|\bhooks\.slack\.com/(?:services|workflows|triggers)/\S+"
    r"|\bgithub_pat_\w{30,}|\bAIza[\w-]{30,}|\bpypi-[\w-]{30,}|\bhf_\w{20,}"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"  # user:password in an address
    r"|\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{32,}\b"
    r"|\bcanary[-_ ]?[0-9a-f]{8,}\b",  # canaries that operators plant to see whether a model repeats them
    re.DOTALL | re.ASCII,
)
_NAMED_SECRET = re.compile(
    r"\b((?:pass(?:word|wd|phrase|code)?|pwd|pin|secret|token|api[ _-]?key|client[ _-]?secret)\b"
    r"(?:\s+(?:is|was)|\s*[:=])\s*[\"'`]?)((?=[^\s\"'`]{0,200}\d)[^\s\"'`<{][^\s\"'`]{3,})",
    re.IGNORECASE,
)
_EMAIL = regex.compile(
    rf"(?:(?<![[\w.+%'-]--{UNSPACED}])[[\w.+%'-]--{UNSPACED}]++|{UNSPACED}{{1,20}}+)@(?:[\w-]+\.)+"
    rf"(?:[\p{{L}}--{UNSPACED}]{{2,}}|{UNSPACED}{{2}})",
    regex.VERSION1,
)
"""An address without the letters beside it of a script that puts no spaces between words."""

_SLACK = re.compile(r"<[@#!][A-Z0-9^|][^<>]*>|(?a:\b)[UWCGDTBA](?=[A-Z0-9]*\d)[A-Z0-9]{8,12}(?a:\b)")
_IBAN = re.compile(r"(?a:\b)[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]{4}){2,7}(?:[ ]?[A-Za-z0-9]{1,3})?(?a:\b)")
_CARD = re.compile(r"(?<![A-Za-z0-9_-])[2-6](?:[ -]?\d){12,18}(?![A-Za-z0-9_-])")
_SSN = re.compile(r"(?<![A-Za-z0-9_-])(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}(?![A-Za-z0-9_-])")
_IP = re.compile(
    r"(?<![A-Za-z0-9_.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4})(?![A-Za-z0-9_:]|\.\d)"
)
_NAMED_NUMBER = re.compile(
    r"\b((?:order|purchase|invoice|bill|account|customer|client|employee|personnel|member|ticket|case|request|reference|"
    r"confirmation|booking|reservation|tracking|shipment|parcel|transaction|payment|contract|policy|passport|licen[cs]e|"
    r"badge|tax)s?(?:\s+(?:number|no\.?|nr\.?|id|code|ref(?:erence)?))?(?:\s+(?:is|was))?\s*+(?:[:=#]\s*+)?(?:#\s*+)?)"
    r"((?:[A-Za-z]{1,5}[-_/]?)?(?=[\w-]{0,100}\d{4})\d[\w-]{3,})",
    re.IGNORECASE,
)
_BARE_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,$€£-])(?:[A-Z]{2,5}-?\d{5,}|\d{8,}|#\d{4,})(?![A-Za-z0-9_%]|[.,]\d)")
_AMOUNT = re.compile(
    r"(?:[$€£¥]\s?\d[\d.,]*\d|[$€£¥]\s?\d)|\b\d[\d.,]{0,30}\s?(?:dollars?|euros?|pounds?|usd|eur|gbp|chf|[$€£¥])(?!\w)",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:[-/]\d{1,2}){0,2}")


class PersonalDataSettings(BaseModel):
    """Which kinds are replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: tuple[Kind, ...] = Field(
        DEFAULT_KINDS,
        description="Kinds to replace. 'amount' (sums of money) is off by default, because answers need them.",
    )
    phone_regions: tuple[str, ...] = Field(
        ("US",), description="Countries (ISO 3166) whose national phone numbers are found. +… numbers always are."
    )


@hookimpl
def register_settings() -> type[BaseModel]:
    return PersonalDataSettings


@hookimpl
def scrub_text(text: str, settings: PersonalDataSettings) -> str:
    """Return the text with placeholders for personal data and secrets."""
    return scrub(text, settings)


def scrub(text: str, settings: PersonalDataSettings) -> str:
    """Return the text with a placeholder for each match; scrubbing again changes nothing."""
    finders: dict[Kind, Callable[[str], str]] = {
        "secret": _scrub_secrets,
        "email": partial(_EMAIL.sub, "<EMAIL>"),
        "slack": partial(_SLACK.sub, "<SLACK_ID>"),
        "iban": partial(_checked, _IBAN, "<IBAN>", _is_iban),
        "card": partial(_checked, _CARD, "<CARD>", _is_card),
        "ssn": partial(_SSN.sub, "<SSN>"),
        "ip": partial(_checked, _IP, "<IP>", _is_address),
        "phone": partial(_scrub_phones, settings.phone_regions),
        "number": _scrub_numbers,
        "amount": partial(_AMOUNT.sub, "<AMOUNT>"),
    }
    for kind, find in finders.items():  # the most specific patterns first
        if kind in settings.kinds:
            text = _around_placeholders(text, find)
    return text


def _around_placeholders(text: str, find: Callable[[str], str]) -> str:
    parts = _PLACEHOLDER.split(text)
    return "".join(part if _PLACEHOLDER.fullmatch(part) else find(part) for part in parts)


def _scrub_secrets(text: str) -> str:
    return _NAMED_SECRET.sub(r"\1<SECRET>", without_secrets(_MORE_SECRETS.sub("<SECRET>", text)))


def _scrub_numbers(text: str) -> str:
    def mark(match: re.Match[str]) -> str:
        return match[0] if _YEAR.fullmatch(match[2]) else f"{match[1]}<NUMBER>"

    return _BARE_NUMBER.sub("<NUMBER>", _NAMED_NUMBER.sub(mark, text))


def _scrub_phones(regions: tuple[str, ...], text: str) -> str:
    for region in regions or (None,):
        for match in reversed(list(phonenumbers.PhoneNumberMatcher(text, region))):
            text = f"{text[: match.start]}<PHONE>{text[match.end :]}"
    return text


def _checked(pattern: re.Pattern[str], mark: str, holds: Callable[[str], bool], text: str) -> str:
    return pattern.sub(lambda match: mark if holds(match[0]) else match[0], text)


def _is_card(text: str) -> bool:
    """Return whether the Luhn sum fits (ISO/IEC 7812-1); payment cards begin with 2 to 6."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """Return whether the check digits fit (ISO 13616, ISO 7064 mod 97-10)."""
    compact = text.replace(" ", "").upper()
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text != "::"
