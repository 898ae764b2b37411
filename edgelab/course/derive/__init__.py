"""Derive: what `make sync` writes: pins, badges, tables, mirrored cells."""
