"""Words in any script: how a text is split and compared, and which texts are in another language."""
