"""Makes the reader: from its data to the adapter in ``reader/mentee_reader/adapter`` (``make reader``)."""
