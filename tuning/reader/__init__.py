"""The reader: the adapter that teaches the embedded model to answer from passages (``make reader``)."""
