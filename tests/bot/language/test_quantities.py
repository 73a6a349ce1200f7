"""Which questions ask for a quantity, and which passages state one."""

from __future__ import annotations

import pytest

from bot.language.quantities import ASKED, MISSING, doubt


@pytest.mark.parametrize(
    ("question", "stated", "missing"),
    [
        ("how long does it take from pitch to published post?", "It takes two weeks.", "The editor reads it."),
        ("How many days' notice do I give?", "Tell us within five business days.", "Tell all 12 of your colleagues."),
        ("how often is the PTA redone", "Re-certify it annually.", "Re-certify it."),
        ("how much does an ATO cost a partner agency?", "It costs $500.", "The partner pays for it."),
        ("whats our hourly rate for partners this FY", "The rate is 150 dollars.", "Partners pay our rate."),
        ("what % does the agency match on TSP?", "It matches 5 percent.", "It matches what you pay."),
        ("whats the max word count for a blog post?", "At most 800 words.", "Write short posts."),
        ("How many contracts may a COR carry?", "A COR carries three.", "A COR carries contracts."),
        ("what % of the fee is paid?", "Two out of three dollars are paid.", "Section 12 names the fee of 80 dollars."),
        ("What percentage of staff agreed?", "3/4 agreed.", "In 2024, 40 people were asked."),
        ("how much of the fee do I get back?", "You get back 40 dollars.", "You get it back within 12 days."),
        ("Wie lange dauert die Bearbeitung?", "Sie dauert zwei Wochen.", "Das Team 4 bearbeitet es."),
        ("Wie oft wird das geprüft?", "Einmal pro Jahr.", "Team 4 prüft das."),
        ("Was kostet ein Parkplatz?", "Er kostet 80 Euro.", "Das zahlen die Gäste."),
        ("Wie viele Gäste darf ich einladen?", "Höchstens drei.", "Gäste sind gern gesehen."),
        ("Um wie viel Uhr öffnet die Kantine?", "Um 8 Uhr.", "Am Morgen, im Haus 4."),
        ("¿Cuánto tiempo tarda el reembolso?", "Tarda 10 días.", "Lo paga el equipo 4."),
        ("¿Cuánto cuesta el aparcamiento?", "Es gratuito.", "Lo pagan las visitas."),
        ("Combien de jours de congé ai-je ?", "Vous avez 25 jours.", "Le bureau 12 les compte."),
        ("À quelle heure ouvre la cantine ?", "À 8 h.", "Le matin."),
        ("what time does the cafeteria open", "It opens at 8:30 am.", "It opens in the morning."),
    ],
)
def test_a_quantity_that_no_passage_states_is_missing(question: str, stated: str, missing: str) -> None:
    assert doubt(question, [stated]) == ASKED
    assert doubt(question, [missing]) == ASKED * MISSING
    assert doubt(question, [missing, stated]) == ASKED, "one of them is enough"


@pytest.mark.parametrize(
    "question",
    [
        "who approves travel that takes longer than 14 hours?",
        "Is there a limit on hotel rates?",
        "can i take 3 days off",
        "Where do I send the $90 receipt?",
        "why is the hourly rate so high?",
        "how do I book a train?",
        "who can sign themselves up on max.gov",
        "Hoe lang duurt het?",
        "Was the hourly rate paid?",
        "Wer genehmigt drei Tage Urlaub?",
    ],
)
def test_other_questions_ask_for_none(question: str) -> None:
    assert doubt(question, ["Ask your supervisor."]) == 1
