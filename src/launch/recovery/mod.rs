//! What is done when a launch failed or a device was lost: the fault is found again on the emulator, and buffers of which
//! no copy was kept are made again.

pub mod rebuild;
pub mod replay;
mod restore;
