//! What a launch is made of: memory, blocks, warps, addresses. Data only; nothing here knows how an instruction runs.

pub(crate) mod access;
pub(crate) mod address;
pub(crate) mod block;
pub(crate) mod block_memory;
pub(crate) mod cluster;
pub(crate) mod environment;
pub(crate) mod heap;
pub(crate) mod memory;
pub(crate) mod paths;
pub(crate) mod pending;
pub(crate) mod polling;
pub(crate) mod printed;
pub(crate) mod schedule;
pub(crate) mod shape;
pub(crate) mod spin;
pub(crate) mod tensor_memory;
pub(crate) mod transfer;
pub(crate) mod warp;
