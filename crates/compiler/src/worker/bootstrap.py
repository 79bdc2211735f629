# Reads the worker's modules from standard input and starts it: nothing has to be installed or written anywhere.
import json
import struct
import sys
import types

stdin = open(0, "rb", closefd=False, buffering=0)


def read(size):
    data = b""
    while len(data) < size:
        part = stdin.read(size - len(data))
        if not part:
            sys.exit("the kernel went away")
        data += part
    return data


for name, source in json.loads(read(struct.unpack("<I", read(4))[0])):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"<{name}>", "exec"), module.__dict__)
sys.modules["warpbook_server"].main()
