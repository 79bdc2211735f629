//! Processes and their end: children that never outlive their owner, and the reader's interrupt on its way to them.

pub mod cancel;
pub mod child;
pub mod memory;
pub mod private_directory;
pub mod question;
pub mod work;
