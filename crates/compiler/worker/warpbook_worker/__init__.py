"""The compile worker: Triton's compiler, driven stage by stage for the kernel.

`server` is the process, `pipeline` one compilation, `binding` and `extract` find a Python kernel and bind it to the
arguments of a launch, `passes` takes the compiler's passes one at a time, `disassemble` lists machine code. `protocol`
has the frames and what is in them.
"""
