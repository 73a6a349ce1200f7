"""The demo company's departments: one folder each, the example for authors of domain plugins.

A domain plugin says what a department is (``register_departments``), with what the company's abbreviations mean, and
what it knows better than the core: here, a date that no page states (``answer_directly`` in travel).
"""
