"""Links in the view of a task."""
