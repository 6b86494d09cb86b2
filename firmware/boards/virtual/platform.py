"""PlatformIO platform of the virtual board; what it needs is in this folder or installed by the system."""

from platformio.public import PlatformBase


class VwwvirtualPlatform(PlatformBase):
    """No packages: compiler and emulator are the system's."""

    def is_embedded(self):
        return True
