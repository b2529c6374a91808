"""The doors: page layout, log-in, the check of every request, the event stream."""
