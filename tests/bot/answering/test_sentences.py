from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.answering.sentences import pieces, sentences, split_finished


def test_splits_where_sentences_end() -> None:
    text = "Ask your lead. It takes 3.5 days, e.g. for GSA staff. Then book! Done?"
    assert sentences(text) == ["Ask your lead.", "It takes 3.5 days, e.g. for GSA staff.", "Then book!", "Done?"]


def test_keeps_source_numbers_with_their_sentence() -> None:
    assert sentences("Book a room [1]. Bring a badge. [2] Leave early.") == [
        "Book a room [1].",
        "Bring a badge. [2]",
        "Leave early.",
    ]


def test_each_line_of_a_list_is_a_sentence() -> None:
    assert sentences("1. Open Tock\n2. Fill in the hours\n") == ["1. Open Tock", "2. Fill in the hours"]


def test_does_not_release_a_sentence_that_may_go_on() -> None:
    assert split_finished("It costs $3.") == ([], "It costs $3.")
    assert split_finished("It costs $3. ") == ([], "It costs $3. ")
    assert split_finished("It costs $3. Ask") == (["It costs $3. "], "Ask")


@settings(deadline=None)
@given(st.text(alphabet="Ab1.!? \n[]", max_size=60))
def test_loses_nothing_however_it_arrives(text: str) -> None:
    released, rest = [], ""
    for character in text:
        finished, rest = split_finished(rest + character)
        released += finished
    assert "".join(released) + rest == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "年假十五天。入职五年后增加！[1] 真的？（是的。）完",
            ["年假十五天。", "入职五年后增加！[1]", "真的？", "（是的。）", "完"],
        ),
        ("छुट्टी मिलती है। पाँच दिन।", ["छुट्टी मिलती है।", "पाँच दिन।"]),
        ("متى الإجازة؟ غداً.", ["متى الإجازة؟", "غداً."]),
        ("ឈប់សម្រាក។ចុចប៊ូតុង។", ["ឈប់សម្រាក។", "ចុចប៊ូតុង។"]),
        ("Das kostet z. B. 5 Euro. Siehe Nr. 3 dazu.", ["Das kostet z. B. 5 Euro.", "Siehe Nr. 3 dazu."]),
        (
            "พนักงานประจำมีสิทธิลาพักร้อนปีละสิบห้าวัน หลังจากทำงานครบห้าปีจะเพิ่ม",
            ["พนักงานประจำมีสิทธิลาพักร้อนปีละสิบห้าวัน", "หลังจากทำงานครบห้าปีจะเพิ่ม"],
        ),
    ],
)
def test_sentences_end_in_other_scripts(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts
    assert "".join(pieces(text)) == text


def test_a_sources_number_that_is_still_being_written_belongs_to_the_sentence() -> None:
    for so_far in ("年假十五天。", "年假十五天。[", "年假十五天。[1", "年假十五天。[1]"):
        assert split_finished(so_far) == ([], so_far)
    assert split_finished("年假十五天。[1]入职") == (["年假十五天。[1]"], "入职")
