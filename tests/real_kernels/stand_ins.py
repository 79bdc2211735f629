"""Stand-ins for the modules that kernel packages import and that the managed environment does not have.

A stand-in's attributes are stand-ins again, so that `class Norm(torch.nn.Module)` or `@torch.compile` at module level
do nothing. What stays real is Triton and the package's own source. The `__init__` files of the packages are not run
either (they import models, trainers and more): a name asked of such a package is taken from the module that its
`__init__` imports it from.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import sys
import types
from pathlib import Path

KERNEL_PACKAGES = ("liger_kernel", "fla")
ABSENT = ("torch", "einops", "transformers", "datasets", "huggingface_hub")


class _Nothing(type):
    """The type of stand-ins: classes that can be called, subclassed, compared, indexed and asked for anything."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return nothing(name)

    def __call__(cls, *arguments, **keywords):
        # As a decorator it leaves the function alone.
        if len(arguments) == 1 and not keywords and inspect.isfunction(arguments[0]):
            return arguments[0]
        return cls

    def __bool__(cls):
        return False

    def __iter__(cls):
        return iter(())

    def _zero(cls, *_):
        return 0

    def _itself(cls, *_):
        return cls

    def _false(cls, *_):
        return False

    def __exit__(cls, *_):
        return None

    __int__ = __index__ = __len__ = _zero
    __or__ = __ror__ = __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __truediv__ = __floordiv__ = __mod__ = (
        _itself
    )
    __getitem__ = __enter__ = _itself
    __lt__ = __gt__ = __le__ = __ge__ = __contains__ = _false


def nothing(name):
    """A stand-in of that name."""
    return _Nothing(name, (), {})


class _AbsentModule(types.ModuleType):
    def __getattr__(self, name):
        if name == "__version__":
            return "2.8.0"
        if name.startswith("__"):
            raise AttributeError(name)
        value = nothing(name)
        setattr(self, name, value)
        return value


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Last on the path: the modules that nobody else found."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ABSENT:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return _AbsentModule(spec.name)

    def exec_module(self, module):
        pass


class _Package(types.ModuleType):
    """A package whose `__init__` was not run."""

    def __getattr__(self, name):
        if name == "__version__":
            return "0.0.0"
        if name.startswith("__"):
            raise AttributeError(name)
        initialiser = Path(list(self.__path__)[0]) / "__init__.py"
        if initialiser.exists():
            for node in ast.walk(ast.parse(initialiser.read_text())):
                if not isinstance(node, ast.ImportFrom):
                    continue
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        module = importlib.util.resolve_name("." * node.level + (node.module or ""), self.__name__)
                        if module != self.__name__:
                            return getattr(importlib.import_module(module), alias.name)
        return nothing(name)


class _Packages(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in KERNEL_PACKAGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.submodule_search_locations is None:
            return None
        found = importlib.machinery.ModuleSpec(name, self, is_package=True)
        found.submodule_search_locations = list(spec.submodule_search_locations)
        return found

    def create_module(self, spec):
        return _Package(spec.name)

    def exec_module(self, module):
        pass


def install(directory):
    """Makes the kernel packages installed in `directory` importable in this process."""
    sys.path.insert(0, str(directory))
    sys.meta_path.insert(0, _Packages())
    sys.meta_path.append(_Absent())
