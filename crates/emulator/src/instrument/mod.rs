//! What watches a launch: checks, counters, recordings.

pub(crate) mod banks;
pub(crate) mod counters;
pub(crate) mod differ;
pub mod observe;
pub(crate) mod origins;
pub(crate) mod record;
pub(crate) mod sanitizer;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
pub(crate) mod watch;
pub(crate) mod writers;
