"""PDF as people see it: what a page shows is read from its glyphs, lines, areas and pictures, then put together."""
