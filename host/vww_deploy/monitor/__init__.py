"""The terminal view and the web page."""
