//! The `warpbook` command.

fn main() {}
