target triple = "nvptx64-nvidia-cuda"

define ptx_kernel void @fill(ptr addrspace(1) %out) "nvvm.reqntid"="128" {
  %thread = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %at = getelementptr float, ptr addrspace(1) %out, i32 %thread
  store float 7.0, ptr addrspace(1) %at
  ret void
}

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
