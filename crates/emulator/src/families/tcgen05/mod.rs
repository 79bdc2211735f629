//! `tcgen05`: tensor memory, and the tensor core that works on it. PTX ISA 9.7.16.

mod decode;
mod tensor_core;
mod tensor_memory;
