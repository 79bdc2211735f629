//! An access to shared memory, as the views of layouts show it.

use warpbook_ir::layout::SharedCost;

/// An access to shared memory, and what it costs.
pub struct Access {
    /// `%65 = ttg.local_load`
    pub what: String,
    /// The cost in a sentence, for the reader.
    pub description: String,
    /// The cost in numbers; `None` if the lanes of the access are not known.
    pub cost: Option<SharedCost>,
}
