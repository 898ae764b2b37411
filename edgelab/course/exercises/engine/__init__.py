"""The engine of the exercises: compare an answer's behaviour with the solution's."""
