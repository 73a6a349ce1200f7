"""Office Open XML: the package of parts, and what Word, PowerPoint and Excel files have in common."""
