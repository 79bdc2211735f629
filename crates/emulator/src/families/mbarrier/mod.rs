//! `mbarrier`: barriers in shared memory. PTX ISA 9.7.13.15.

mod decode;
mod execute;
