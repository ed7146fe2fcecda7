"""The local viewer: a page on loopback, and an API that does what the verbs do."""
