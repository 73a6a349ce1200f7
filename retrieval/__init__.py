"""Retrieval: documents are parsed, chunked, embedded and indexed; search finds passages that the asker may read.

In the order of the data: :mod:`retrieval.ingest` reads sources with :mod:`retrieval.parse`, :mod:`retrieval.chunk` and
:mod:`retrieval.embed` prepare what :mod:`retrieval.index` writes as a snapshot, :mod:`retrieval.search` searches it.
:mod:`retrieval.assembly` puts the parts together.
"""
