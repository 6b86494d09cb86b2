"""vww-deploy: from a person-detection .tflite to a board that runs it, watched over its serial port."""

from importlib.metadata import version

__version__: str = version("vww-deploy")
