"""A transformer of an artifact as a folder of its own, for servers that are not this project."""
