"""How German, Spanish and French ask for quantities and state them, as parts of regular expressions.

The names of units are those of Unicode CLDR (``common/main/de.xml``, ``es.xml`` and ``fr.xml``). They count only after
a number, because some are words of other languages, too.
"""

from __future__ import annotations

_NUMBERS = (
    r"eine?[nmr]?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|un|una|uno|dos|tres|cuatro|cinco|seis|siete|ocho"
    r"|nueve|diez|doce|quince|treinta|une|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|douze|quinze|trente"
)
_UNITS = (
    r"sekunden?|minuten?|stunden?|tage?n?|werktage?n?|arbeitstage?n?|wochen?|monate?n?|quartale?n?|jahre?n?"
    r"|segundos?|minutos?|horas?|días?|semanas?|mes(?:es)?|trimestres?|años?"
    r"|secondes?|minutes?|heures?|jours?|semaines?|mois|ans|années?"
)

ASKED_FREQUENCY = (
    r"\bwie (?:oft|häufig)\b|\b(?:con qué frecuencia|cada cuánto|cuántas veces)\b"
    r"|\b(?:combien de fois|à quelle fréquence|tous les combien)\b"
)
ASKED_DURATION = (
    rf"\bwie (?:lange?|schnell|früh|spät|kurzfristig)\b|\bbis wann\b|\bwie ?viele? (?:zeit|{_UNITS})\b"
    rf"|\bcuánto (?:tiempo|tarda|dura|demora)\b|\bcuánta antelación\b|\bcuánt[oa]s (?:{_UNITS})\b"
    rf"|\bcombien de (?:temps|{_UNITS})\b"
)
ASKED_MONEY = (
    r"\bwie teuer\b|\b(?:was|wie ?viel) kostet\b|\bcuánto (?:cuesta|cuestan|vale|cobra)\b"
    r"|\bcuál es el (?:precio|coste|costo)\b"
    r"|\bcombien (?:coûtent|coûte|ça coûte)\b|\bquel est le (?:prix|coût|tarif)\b"
)
ASKED_NUMBER = r"\bwie ?viele?\b(?! uhr)|\bcuánt[oa]s?\b|\bcombien\b"
ASKED_CLOCK = r"\bum wie ?viel uhr\b|\böffnungszeiten\b|\ba qué hora\b|\bà quelle heure\b"

STATED_DURATION = rf"(?:\d|\b(?:{_NUMBERS}))\s?(?:{_UNITS})\b|\b(?:sofort|unbefristet|inmediatamente|immédiatement)\b"
STATED_FREQUENCY = (
    r"\b(?:(?:täg|wöchent|monat|jähr|viertel-?jähr)lich|jede[nrs]?|cada|diari|semanal|(?:mens|an)ual|chaque"
    r"|quotidien|hebdomadaire|mensuel|annuel)"
    rf"|\b(?:pro|por|par|al) (?:{_UNITS}|an)\b"
)
STATED_MONEY = r"\b(?:kostenlos|gratis|gratuit(?:e|s|es|ement|[oa]s?)?)\b"
STATED_NUMBER = (
    r"\b(?:zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|deux|trois"
    r"|quatre|cinq|huit|neuf|dix|douze|keine?n?|ninguno?|aucune?)\b"
    rf"|{STATED_MONEY}"
)
STATED_CLOCK = r"\d\s?uhr\b|\b\d{1,2}\s?h\d\d\b|\bà \d{1,2}\s?h\b"
