"""The classifier without Django: text recipe, taxonomy, files, artifact, prediction, decision."""
