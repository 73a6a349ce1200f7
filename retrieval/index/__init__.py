"""Index snapshots: a directory with vectors, a BM25 index and the chunks, and the store that activates them."""
