from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sentences import sentences, split_finished


def test_splits_where_sentences_end():
    text = "Ask your lead. It takes 3.5 days, e.g. for GSA staff. Then book! Done?"
    assert sentences(text) == ["Ask your lead.", "It takes 3.5 days, e.g. for GSA staff.", "Then book!", "Done?"]


def test_keeps_source_numbers_with_their_sentence():
    assert sentences("Book a room [1]. Bring a badge. [2] Leave early.") == [
        "Book a room [1].",
        "Bring a badge. [2]",
        "Leave early.",
    ]


def test_each_line_of_a_list_is_a_sentence():
    assert sentences("1. Open Tock\n2. Fill in the hours\n") == ["1. Open Tock", "2. Fill in the hours"]


def test_does_not_release_a_sentence_that_may_go_on():
    assert split_finished("It costs $3.") == ([], "It costs $3.")
    assert split_finished("It costs $3. ") == ([], "It costs $3. ")
    assert split_finished("It costs $3. Ask") == (["It costs $3. "], "Ask")


@settings(deadline=None)
@given(st.text(alphabet="Ab1.!? \n[]", max_size=60))
def test_loses_nothing_however_it_arrives(text: str):
    released, rest = [], ""
    for character in text:
        finished, rest = split_finished(rest + character)
        released += finished
    assert "".join(released) + rest == text
