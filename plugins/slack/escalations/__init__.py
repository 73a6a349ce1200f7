"""Questions handed to a person: the button, the notes to a department's people, the replies that resolve them."""
