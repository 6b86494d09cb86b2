"""Many boards and machines: pictures in shards over the boards of every machine that joins (docs/fleet.md)."""

from vww_deploy.errors import ToolMissing
from vww_deploy.resources import install_extra


def require() -> None:
    """ToolMissing, with what to type, where Dask is not installed."""
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError as error:
        raise ToolMissing("a fleet needs Dask, which is not installed", hint=install_extra("fleet")) from error
