"""The tests, and the tools beside them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
