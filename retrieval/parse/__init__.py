"""Parsers: the bytes of a document become a title and sections under heading paths, without markup.

Imports are light on purpose: :mod:`retrieval.parse.child` runs a parser in a process with little memory.
"""
