"""Analytics exports as files of any system that fsspec knows."""

from rampguard.adapters.exports.source import FileExports

__all__ = ["FileExports"]
