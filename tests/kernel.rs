//! The kernel without Python: sessions, devices, and the protocol from the other side of the sockets.

mod cuda_c;
mod device_host;
mod devices;
mod edit_and_patch;
mod padded_fp4;
mod protocol;
mod tensors;
