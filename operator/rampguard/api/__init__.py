"""The wire: what stands in the API server, and its way to and from the nouns of the core."""
