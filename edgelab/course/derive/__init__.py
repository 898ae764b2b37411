"""Derive: what `make sync` writes from elsewhere, pins, badges, tables, mirrored cells."""
