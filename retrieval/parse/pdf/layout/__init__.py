"""Putting pages together: columns, tables, headings, lists and paragraphs, across page breaks."""
