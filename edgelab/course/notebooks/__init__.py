"""Run the course's notebooks, and store them executed."""
