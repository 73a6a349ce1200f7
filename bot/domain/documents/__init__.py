"""Parsed documents: their blocks, and the text and Markdown made from these."""
