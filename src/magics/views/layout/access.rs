//! An access to shared memory, as the views of layouts show it.

use warpbook_ir::layout::SharedCost;

/// An access to shared memory, and what it costs.
pub struct Access {
    /// `%65 = ttg.local_load`
    pub what: String,
    /// In a sentence.
    pub says: String,
    /// In numbers, where lanes or rows are told apart.
    pub cost: Option<SharedCost>,
}
