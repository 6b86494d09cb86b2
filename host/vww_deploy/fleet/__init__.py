"""Many boards and machines: pictures in shards over the boards of every machine that joins (docs/fleet.md)."""
