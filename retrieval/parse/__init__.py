"""Parsers: bytes of a document to a title and sections under heading paths, markup gone.

Light on purpose: :mod:`retrieval.parse.child` runs these modules in a process with little memory.
"""
