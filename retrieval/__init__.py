"""Finding passages: documents in, verified index generations, hybrid search with the audience's rights."""
