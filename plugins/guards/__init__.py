"""Guards: plugins that judge each sentence of an answer before anyone sees it."""
