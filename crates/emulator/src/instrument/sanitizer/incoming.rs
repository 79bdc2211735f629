//! A bulk load on its way into the block.

use crate::state::access::Issuer;

/// A bulk load of this block that no warp has waited for.
pub(super) struct Incoming {
    /// The thread that issued it, and by which operation.
    pub issuer: Issuer,
    /// Number of the agent that stands for its mbarrier.
    pub agent: usize,
    /// The phase in which its bytes came; `NEVER` while they are under way.
    pub event: u32,
}
