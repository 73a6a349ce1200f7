"""The demo company's departments: one folder each, the example for authors of domain plugins.

A domain plugin says what a department is (``register_departments``) and what it knows better than the core: here, what
the company's abbreviations mean (``enrich_question``) and a date that no page states (``answer_directly`` in travel).
"""
