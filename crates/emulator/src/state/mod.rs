//! What a launch is made of: memory, blocks, warps, addresses. Data only; nothing here knows how an instruction runs.

pub(crate) mod access;
pub(crate) mod memory;
pub(crate) mod schedule;
pub(crate) mod warp;
