//! Which hardware place holds which element of a tensor: linear layouts, the encodings of TTGIR that have one, what a
//! conversion between two of them moves, and the banks of shared memory.

mod access;
mod banks;
mod convert;
mod distributed;
mod encoding;
mod fields;
mod linear;
mod shape;
mod shared;
mod tensor_memory;
mod unsupported;

pub use access::{Collision, GlobalCost, SharedCost, Through};
pub use banks::{BANKS, bank, ways};
pub use convert::{Conversion, Distance, Means, Rule};
pub use distributed::{accumulator_fragment, operand_fragment};
pub use encoding::{Blocked, Encoding, Mma, aliases};
pub use linear::{Basis, Cluster, Layout, Place};
pub use shared::{Order, Placed, Shared};
pub use tensor_memory::TensorMemory;
pub use unsupported::Unsupported;
