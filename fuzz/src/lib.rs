//! What the fuzz targets share: the modules under test, compiled without the rest of Warpbook, and a mutator of PTX.

#![allow(dead_code, unused_imports)]

#[path = "../../src/diagnostic/mod.rs"]
pub mod diagnostic;
#[path = "../../src/emulator/mod.rs"]
pub mod emulator;
#[path = "../../src/ptx/mod.rs"]
pub mod ptx;

pub mod mutate;
