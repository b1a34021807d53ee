"""How moto's methods are wrapped and replaced. Each is looked up first, so that a version of moto that no longer has
one fails at the start, not in a test that passes for the wrong reason."""

import functools
import sys


def around(owner, name):
    """Wraps a method: the wrapper gets the original first."""
    original = getattr(owner, name)

    def put(wrapper):
        @functools.wraps(original)
        def method(self, *args, **kwargs):
            return wrapper(original, self, *args, **kwargs)

        setattr(owner, name, method)
        return wrapper

    return put


def replace(owner, name):
    """Replaces a method or property that is there."""
    getattr(owner, name)

    def put(new):
        setattr(owner, name, new)
        return new

    return put


def add(owner, name):
    """Adds a method that is not there."""
    if hasattr(owner, name):
        raise AttributeError(f"{owner.__name__}.{name} is there already: replace it, or do without")

    def put(new):
        setattr(owner, name, new)
        return new

    return put


def rebind(package, name, old, new):
    """Replaces a function in every module of a package that imported it by name."""
    held = [m for m in list(sys.modules.values()) if m.__name__.startswith(package) and getattr(m, name, None) is old]
    if not held:
        raise AttributeError(f"no module of {package} holds {name}")
    for module in held:
        setattr(module, name, new)
