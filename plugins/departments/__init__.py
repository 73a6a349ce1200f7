"""The demo company's departments: one folder each, the example for authors of domain plugins.

A domain plugin defines a department (``register_departments``): its title, instructions, glossary and sources. It can
also answer what no page states: travel computes the date a voucher is due (``answer_directly``).
"""
