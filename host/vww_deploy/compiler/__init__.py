"""The ahead-of-time compiler: passes, memory plan, weight packing, C++ emission."""
