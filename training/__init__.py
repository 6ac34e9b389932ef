"""Training without Django: rows come in as dataclasses, an artifact comes out as bytes."""
