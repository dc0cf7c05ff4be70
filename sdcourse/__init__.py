"A course on Stable Diffusion that runs. Every exported name can be had from here; nothing heavy loads before one is asked for."
__version__ = "0.1.0.dev0"


def _owner(name):
    from ._modidx import d
    return next((module for module, syms in d["syms"].items() if f"{module}.{name}" in syms), None)


def __getattr__(name):
    if name.startswith("_") or not (module := _owner(name)): raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    return getattr(import_module(module), name)


def __dir__():
    from ._modidx import d
    return sorted({*globals(), *(sym.rsplit(".", 1)[1] for module, syms in d["syms"].items() for sym in syms if sym.count(".") == module.count(".") + 1)})
