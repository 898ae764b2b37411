"""How many random examples a test tries: a few in `make test`, many in `make test-all`."""

import os


def examples(many: int, few: int) -> int:
    """Return the count for this run: `many` where the environment has EDGELAB_EXAMPLES=many, else `few`.

    `few` must still reach each branch of what is tested: what random draws reach too rarely stands beside them as an
    explicit `@example`.

    >>> examples(200, 40) in (200, 40)
    True
    """
    profile = os.environ.get("EDGELAB_EXAMPLES", "few")
    if profile not in ("few", "many"):
        raise ValueError(f"EDGELAB_EXAMPLES is {profile!r}; expected 'few' (the default) or 'many'")
    return many if profile == "many" else few
