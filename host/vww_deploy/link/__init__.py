"""Frames and messages (no I/O), transports, the device client."""
