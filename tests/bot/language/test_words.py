from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.language.words import count_words, find_words, folded, is_unspaced, mentions, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＰＩＶ　ｃａｒｄ １２３", "piv card 123"),
        ("eﬃcient oﬃce", "efficient office"),
        ("STRASSE", "Straße"),
        ("Über Größe", "uber große"),
        ("IŞIK İZİN", "ışık izin"),
        ("cafe\u0301", "café"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
        ("كِتَابٌ", "كتاب"),
        ("ﻛﺘﺎﺏ", "كتاب"),
        ("إجازة", "اجازه"),
        ("Ещё ёлка", "еще елка"),
        ("Άδεια", "αδεια"),
        ("Mit\u00adarbeiter", "Mitarbeiter"),
        ("한\u1100\u1161", "한가"),
    ],
)
def test_a_word_written_in_two_ways_is_the_same(one: str, other: str) -> None:
    assert words(one) == words(other)


@pytest.mark.parametrize(("one", "other"), [("май", "маи"), ("ガス", "カス"), ("की", "क"), ("ป่า", "ปา")])
def test_marks_that_make_another_letter_stay(one: str, other: str) -> None:
    assert words(one) != words(other)


def test_words_with_vowel_signs_stay_whole() -> None:
    assert words("मुझे छुट्टी मिलती है।") == ["मुझे", "छुट्टी", "मिलती", "है"]


def test_scripts_without_spaces_give_overlapping_characters() -> None:
    assert words("USB端口有3个。") == ["usb", "端口", "口有", "3", "个"]
    assert words("휴가는 며칠") == ["휴가", "가는", "며칠"]
    assert words("ลาป่วย") == ["ลาป่", "าป่ว", "ป่วย"]


def test_words_are_found_where_they_stand() -> None:
    text = "Ｄie Ｇröße：年假"
    assert [(text[word.start : word.end], word.text) for word in find_words(text)] == [
        ("Ｄie", "die"),
        ("Ｇröße", "grosse"),
        ("年假", "年假"),
    ]


def test_compounds_keep_what_is_joined() -> None:
    found = [word.text for word in find_words("M&IE's 18f.gov e-mail MENTEE_HOME wait...what", compounds=True)]
    assert found == ["m&ie's", "18f.gov", "e-mail", "mentee_home", "wait", "what"]


def test_the_number_of_words_is_estimated_where_nothing_separates_them() -> None:
    assert count_words("Annual leave is 15 days.") == 5
    assert 6 <= count_words("全职员工每年享有十五天带薪年假") <= 10
    assert 4 <= count_words("พนักงานประจำมีสิทธิลาพักร้อน") <= 9


def test_a_term_is_mentioned_in_any_script() -> None:
    assert mentions("什么是年假？", "年假")
    assert mentions("What is M&IE?", "m&ie")
    assert not mentions("What is a patio?", "PAT")
    assert not mentions("Anything", "%")


def test_most_letters_decide_whether_a_text_has_spaces() -> None:
    assert is_unspaced("使用VPN时请先登录系统")
    assert not is_unspaced("The sign says 出口.")
    assert not is_unspaced("")


@given(st.text(max_size=60))
def test_any_text_has_words_that_stay_the_same_when_folded_again(text: str) -> None:
    found = words(text)
    assert [folded(word) for word in found] == found
    assert all(text[word.start : word.end] for word in find_words(text))
    assert bool(found) == bool(count_words(text))
