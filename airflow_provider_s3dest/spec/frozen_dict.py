"""A dict that can't be changed."""

from __future__ import annotations

from typing import Any, NoReturn


class FrozenDict(dict[str, Any]):
    """A dict to all who read it; who would change it gets a TypeError."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("A destination spec can't be changed; build another one.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: Any) -> FrozenDict:
        return self

    def __reduce__(self) -> Any:
        return FrozenDict, (dict(self),)
