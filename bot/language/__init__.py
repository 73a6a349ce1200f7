"""Words of any script: how a text is cut into them and compared, and which texts are in another language."""
