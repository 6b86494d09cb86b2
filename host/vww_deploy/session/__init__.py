"""What one does with a connected board: connect, stream, watch live, bench, verify."""
