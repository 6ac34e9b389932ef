"""Model families. Each fits labelled texts and hands out scores and records for the artifact."""
