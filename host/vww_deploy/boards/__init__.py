"""The catalogue of boards, PlatformIO, ports, the virtual board."""
