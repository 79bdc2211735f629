"""The cases, in the order in which they run."""

from case import Random

from . import flash_linear_attention, liger


def all_cases():
    """Every case, by name."""
    found = {}
    for module in (liger, flash_linear_attention):
        for function in module.CASES:
            case = function(Random(function.__name__))
            case.name = function.__name__
            found[case.name] = case
    return found
