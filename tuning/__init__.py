"""From votes to an adapter: dataset, training, evaluation, gate, registry, rounds."""
