from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.scrubbers.personal_data import DEFAULT_KINDS, PersonalDataSettings, register_settings, scrub, scrub_text

SETTINGS = PersonalDataSettings()

FOUND = {
    "write to Ada.Lovelace+hr@mail.example.co.uk today": "write to <EMAIL> today",
    "call +44 20 7946 0958 or (877) 709-5797": "call <PHONE> or <PHONE>",
    "my card 4111 1111 1111 1111 was charged": "my card <CARD> was charged",
    "amex 378282246310005": "amex <CARD>",
    "IBAN DE89 3704 0044 0532 0130 00, please": "IBAN <IBAN>, please",
    "to GB82WEST12345698765432": "to <IBAN>",
    "ssn 078-05-1120": "ssn <SSN>",
    "from 10.12.0.7 and 2001:db8::8a2e:370:7334": "from <IP> and <IP>",
    "ask <@U024BE7LH> in C024BE91L": "ask <SLACK_ID> in <SLACK_ID>",
    "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy is it": "<SECRET> is it",
    "use xapp-1-A0123456789-1234567890123-abcdef": "use <SECRET>",
    "Authorization: Bearer abcdefgh12345678ijkl": "Authorization: <SECRET>",
    "my password is hunter2secret, help": "my password is <SECRET> help",
    "key AKIAIOSFODNN7EXAMPLE leaked": "key <SECRET> leaked",
    "https://ada:s3cret@host.example/x": "https://<SECRET>@host.example/x",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY----- end": "<SECRET> end",
    "cancel order 00123842 now": "cancel order <NUMBER> now",
    "invoice no. INV-2024-00017": "invoice no. <NUMBER>",
    "Account number: 12345678": "Account number: <NUMBER>",
    "my order #4711 is late": "my order #<NUMBER> is late",
    "the parcel is 370795561790": "the parcel is <NUMBER>",
    "it said canary-0123456789abcdef": "it said <SECRET>",
    "请写信给ada@example.com询问": "请写信给<EMAIL>询问",
    "張三@example.comへ": "<EMAIL>へ",
    "jürgen.müller@bücher.example fragen": "<EMAIL> fragen",
    "卡号4111111111111111被扣款": "卡号<CARD>被扣款",
    "单号370795561790已寄出，令牌hf_abcdefghijklmnopqrstuv": "单号<NUMBER>已寄出，令牌<SECRET>",
}

KEPT = [
    "Your {{Order Number}} is on its way; call {{Customer Support Phone Number}}.",
    "The policy 2024 applies since 2019-05-01 and costs $1,250.50 or 40 EUR.",
    "Section 12.4.1 of the contract says 30 days; see pages 100-120.",
    "Version 3.11.2 needs 4096 MB at 10:30.",
    "Your password is expired, reset the password: press Enter.",
    "Bring the form W-4 to room 1501.",
    "USER and UNDERSTANDING are words; so is CONGRATULATIONS.",
    "Order two laptops per request.",
]


@pytest.mark.parametrize(("text", "expected"), FOUND.items())
def test_personal_data_becomes_a_typed_mark(text: str, expected: str) -> None:
    assert scrub(text, SETTINGS) == expected


@pytest.mark.parametrize("text", KEPT)
def test_ordinary_text_and_placeholders_stay(text: str) -> None:
    assert scrub(text, SETTINGS) == text


@pytest.mark.parametrize("text", FOUND)
def test_scrubbing_again_changes_nothing(text: str) -> None:
    once = scrub(text, SETTINGS)
    assert scrub(once, SETTINGS) == once


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1290 -.:@#$+{}<>/_=NUMBEROIDX")), st.sampled_from(sorted(FOUND)))
def test_any_text_around_a_find_is_survived(noise: str, text: str) -> None:
    once = scrub(f"{noise} {text} {noise}", SETTINGS)
    assert scrub(once, SETTINGS).count("{{") == once.count("{{")


def test_a_number_that_fails_its_check_is_no_card_and_no_iban() -> None:
    assert "<CARD>" not in scrub("my card 4111 1111 1111 1112", SETTINGS)
    assert "<IBAN>" not in scrub("IBAN DE89 3704 0044 0532 0130 01", SETTINGS)


def test_sums_of_money_are_taken_out_only_when_asked_for() -> None:
    text = "refund $299 or 1,200 dollars"
    assert scrub(text, SETTINGS) == text
    assert scrub(text, PersonalDataSettings(kinds=(*DEFAULT_KINDS, "amount"))) == "refund <AMOUNT> or <AMOUNT>"


def test_a_kind_that_is_off_stays() -> None:
    assert scrub("a@b.example, order 123456", PersonalDataSettings(kinds=("number",))) == "a@b.example, order <NUMBER>"


def test_national_phone_numbers_are_those_of_the_countries_set() -> None:
    text = "ruf 030 23125 000 an"
    assert scrub(text, SETTINGS) == text
    assert scrub(text, PersonalDataSettings(phone_regions=("DE",))) == "ruf <PHONE> an"


def test_the_plugin_declares_its_settings_and_refuses_unknown_kinds() -> None:
    assert register_settings() is PersonalDataSettings
    assert scrub_text("to a@b.example", SETTINGS) == "to <EMAIL>"
    with pytest.raises(ValidationError):
        PersonalDataSettings(kinds=("names",))


def test_no_seeded_canary_survives() -> None:
    seed = random.randrange(1_000_000)
    order = random.Random(seed)

    def digits(n: int) -> str:
        return "".join(order.choice("0123456789") for _ in range(n))

    def letters(n: int) -> str:
        return "".join(order.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(n))

    makers = [
        lambda: f"{letters(7)}.{letters(5)}@{letters(6)}.example",
        lambda: f"xoxp-{digits(11)}-{letters(24)}",
        lambda: f"+1 212 555 {order.randrange(2000, 9999)}",
        lambda: f"order {digits(12)}",
        lambda: f"canary-{digits(4)}{order.choice('abcdef')}{digits(8)}",
        lambda: f"10.{order.randrange(256)}.{order.randrange(256)}.{order.randrange(256)}",
        lambda: f"<@U0{digits(8)}>",
        lambda: f"api_key={letters(10)}{digits(4)}",
    ]
    for _ in range(400):
        canary = order.choice(makers)()
        secret = canary.split("=")[-1].removeprefix("order ").strip("<@>")
        text = scrub(f"Hello, this is about {canary} as we said.", SETTINGS)
        assert secret not in text, f"seed {seed}: {text}"
        assert text.startswith("Hello, this is about ")
        assert text.endswith(" as we said.")
