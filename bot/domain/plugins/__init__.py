"""What plugins have Mentee do for them: jobs at regular times, and actions under answers."""
