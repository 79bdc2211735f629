"""Generated from `ErrorKind` in crates/compiler/src/worker/error_kind.rs, whose test holds this file."""

from enum import Enum


class ErrorKind(str, Enum):
    """What is wrong: the kernel's error codes are made of it."""

    UNKNOWN_OPTION = "unknown-option"
    NO_NUM_WARPS = "no-num-warps"
    OPTION_CONFLICT = "option-conflict"
    STAGE = "stage"
    NO_KERNEL = "no-kernel"
    UNKNOWN_KERNEL = "unknown-kernel"
    UNKNOWN_NAME = "unknown-name"
    CONFIG = "config"
    TOO_MANY_ARGUMENTS = "too-many-arguments"
    ARGUMENT_TWICE = "argument-twice"
    UNKNOWN_ARGUMENT = "unknown-argument"
    ARGUMENT = "argument"
    MISSING_ARGUMENT = "missing-argument"
    FROM = "from"
    UNKNOWN_PASS = "unknown-pass"
    NO_TOOL = "no-tool"
    DISASSEMBLER = "disassembler"
    TRITON = "triton"
    PYTHON = "python"
    INTERNAL = "internal"
