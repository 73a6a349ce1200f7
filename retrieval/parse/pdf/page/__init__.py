"""Reading one page: its glyphs, lines, areas and pictures, and which of them a person sees."""
