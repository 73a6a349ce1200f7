"""What people do with answers: votes, corrections, confirmed actions, escalations, and what voters are told."""
