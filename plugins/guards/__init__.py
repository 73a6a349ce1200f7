"""Guards: plugins that check each sentence of an answer before anyone sees it."""
