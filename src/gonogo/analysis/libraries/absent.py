"""Names that a module or class of a library does not have.

They are known to be removed, or no version in the table has them.
"""

from __future__ import annotations

from difflib import get_close_matches

from gonogo.analysis.libraries.table import library_table
from gonogo.analysis.project.removed import Removed, never_there, removed_name


def absent_name(dotted: str) -> Removed | None:
    """What is known of a dotted name that a library lacks, None where it may be there."""
    removed = removed_name(dotted)
    owner, _, name = dotted.rpartition(".")
    if removed is not None or not owner or name.startswith("_") or owner.partition(".")[0] == "torch":
        return removed  # backends from elsewhere add modules to torch (`torch.hpu`)
    table = library_table()
    module, kind = table.names_of(owner), table.kind(owner)
    if module is not None:
        distribution, names = module
    elif kind is not None and not kind.is_open:
        distribution, names = kind.distribution, kind.names
    else:
        return None
    versions, having = table.versions[distribution], names.get(name, 0)
    if having.bit_length() == len(versions):
        return None
    meant = never_there().get(dotted, "") if not having else ""
    here = [other for other, versions_of in names.items() if versions_of.bit_length() == len(versions)]
    near = () if meant else tuple(get_close_matches(name, sorted(here), n=3, cutoff=0.6))
    return Removed(distribution, versions[having.bit_length()], meant, never=not having, newest=versions[-1], near=near)


def near_name(dotted: str) -> str | None:
    """Return the probably intended name for one that no version in the table has.

    None where the name may exist, or where it is from a newer version.
    """
    owner, _, name = dotted.rpartition(".")
    found = library_table().names_of(owner) if owner and not name.startswith("_") and owner != "torch" else None
    if found is None or found[1].get(name) or removed_name(dotted) is not None:
        return None
    return next((f"{owner}.{near}" for near in get_close_matches(name, found[1], n=1, cutoff=0.75)), None)
