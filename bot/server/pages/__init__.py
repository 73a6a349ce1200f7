"""What all pages of the server share: the layout, the style sheet and the icon."""
