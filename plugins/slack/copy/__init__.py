"""Everything that people read in Slack, as functions: one place for the wording, and for what is escaped."""
