//! What watches a launch: checks, counters, recordings.

mod banks;
mod counters;
mod differ;
pub mod observe;
mod origins;
mod record;
pub(crate) mod sanitizer;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;
mod watch;
mod writers;
