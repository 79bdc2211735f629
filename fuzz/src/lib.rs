//! What the fuzz targets share: a mutator of PTX.

pub mod mutate;
