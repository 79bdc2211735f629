"""What memory a value of Python stands for: the whole allocation of a torch tensor or a numpy array, found without a copy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Area:
    """Memory of this process.

    `name` is what reports call it. Views of one allocation have the same `address` and `size`, in bytes.
    """

    name: str
    address: int
    size: int


def pointer(value):
    """The address of a value's first element; None where the value has no memory."""
    if hasattr(value, "data_ptr"):
        return value.data_ptr()
    interface = getattr(value, "__array_interface__", None)
    return None if interface is None else interface["data"][0]


def area_of(value, name):
    """The allocation that a torch tensor or a numpy array lies in.

    A launch may read and write all of it, as on a GPU: a view does not end the memory behind it.

    Raises:
        ValueError: the memory cannot be written, or is a GPU's.
    """
    if hasattr(value, "untyped_storage"):
        storage = value.untyped_storage()
        if storage.device.type != "cpu":
            raise ValueError(f"{name} is on {value.device}: the emulator works on the memory of this process; use {name}.cpu()")
        return Area(name, storage.data_ptr(), storage.nbytes())
    base = value
    while getattr(base, "base", None) is not None and hasattr(base.base, "__array_interface__"):
        base = base.base
    if not base.flags.writeable or not value.flags.writeable:
        raise ValueError(f"{name} is a read-only array, and a kernel may write to it; use {name}.copy()")
    return Area(name, *bounds(base))


def bounds(array):
    """First address and number of bytes of a numpy array."""
    low = high = array.__array_interface__["data"][0]
    for extent, stride in zip(array.shape, array.strides):
        if extent == 0:
            return low, 0
        if stride < 0:
            low += (extent - 1) * stride
        else:
            high += (extent - 1) * stride
    return low, high + array.itemsize - low


def merged(areas):
    """The areas by rising address, each once; those that overlap are one, with both names."""
    found = []
    for area in sorted(set(areas), key=lambda area: (area.address, -area.size)):
        last = found[-1] if found else None
        if last is None or area.address >= last.address + max(last.size, 1):
            found.append(area)
        else:
            end = max(last.address + last.size, area.address + area.size)
            names = last.name if area.name in last.name.split(", ") else f"{last.name}, {area.name}"
            found[-1] = Area(names, last.address, end - last.address)
    return found
