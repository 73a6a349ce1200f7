"""What plugins ask Mentee to do: scheduled jobs, and actions under answers."""
