from __future__ import annotations

import pytest

from bot.language.detection import other_language

ENGLISH = [
    "Full-time staff earn 15 days of annual leave in a year. Ask your lead before you book.",
    "How to get a Slack account: open a ticket. The IT desk will answer you in a day.",
    "If you travel for the company, book the hotel below the per diem rate. Ask for the money back within thirty days.",
    "Keep the receipts for all meals you have on the way, because the finance team checks what you have spent.",
]
CHINESE = ["全职员工每年享有十五天带薪年假。请在人事系统中申请。"]


@pytest.mark.parametrize(
    "question",
    [
        "一年可以休几天年假？",
        "Сколько дней отпуска в году?",
        "Wie viele Tage Urlaub habe ich im Jahr?",
        "Combien de jours de congé par an ?",
    ],
)
def test_a_question_in_another_language_is_told(question: str) -> None:
    assert other_language(question, ENGLISH)


@pytest.mark.parametrize(
    "question",
    [
        "¿Cuántos días de vacaciones tengo?",
        "¿Dónde está la oficina?",
        "Quantos dias de férias tenho?",
        "Combien de jours de congé ?",
        "Quanti giorni di ferie ho?",
        "Hoeveel dagen verlof heb ik?",
        "Wo ist das Büro?",
    ],
)
def test_names_in_the_texts_do_not_hide_that_it_is_in_another_language(question: str) -> None:
    names = (
        "The office in Rio de Janeiro is closed; Casa La Palma is open. Das Haus, Le Bureau and Vacaciones are names."
    )
    assert other_language(question, [*ENGLISH, names])


def test_an_english_question_about_pages_in_another_language_is_told() -> None:
    spanish = "Los empleados tienen quince días de vacaciones al año. Para pedir días, escribe a tu jefe en el portal."
    assert other_language("How many days of leave do I have?", [spanish])
    assert not other_language("¿Cuántos días de permiso tengo?", [spanish])


@pytest.mark.parametrize(
    ("question", "texts"),
    [
        ("What is the price of a share in the company?", ENGLISH),
        ("parking permit", ENGLISH),
        ("What does the Rio de la Plata team do?", ENGLISH),
        ("VPN setup on el capitan", ENGLISH),
        ("Kubernetes?", ENGLISH),
        ("公司的股票代码是什么？", CHINESE),
        ("VPN怎么用？", CHINESE),
        ("12345?", ENGLISH),
        ("Wie viele Tage Urlaub habe ich?", []),
        ("Wie viele Tage Urlaub habe ich?", ["Back to the list of pages"]),
    ],
)
def test_one_that_nothing_answers_is_not(question: str, texts: list[str]) -> None:
    assert not other_language(question, texts)
