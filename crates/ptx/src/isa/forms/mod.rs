//! The forms of each instruction: which modifiers, types and operands it is written with, and from which `.version` and
//! `.target` on. The rows are text files, a file per family; [`notation`] says how they are written.

mod architecture;
mod form;
mod notation;

use std::sync::OnceLock;

pub use architecture::{Architecture, Need, Reach, Version};
pub use form::{Base, Count, Form, Group, Kind, Limits, Place, Type};

use super::Mnemonic;

/// The rows of every family.
const FILES: &[(&str, &str)] = &[
    ("arithmetic.txt", include_str!("arithmetic.txt")),
    ("float.txt", include_str!("float.txt")),
    ("logic.txt", include_str!("logic.txt")),
    ("convert.txt", include_str!("convert.txt")),
    ("memory.txt", include_str!("memory.txt")),
    ("warp.txt", include_str!("warp.txt")),
    ("copies.txt", include_str!("copies.txt")),
    ("mbarrier.txt", include_str!("mbarrier.txt")),
    ("matrix.txt", include_str!("matrix.txt")),
    ("tensor_memory.txt", include_str!("tensor_memory.txt")),
    ("control.txt", include_str!("control.txt")),
];

/// The forms of an instruction; none if the tables have no row for it.
pub fn forms(mnemonic: Mnemonic) -> &'static [Form] {
    static TABLE: OnceLock<Vec<Vec<Form>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table = vec![Vec::new(); Mnemonic::ALL.len()];
        for (file, text) in FILES {
            for (mnemonic, form) in notation::parse(file, text) {
                table[mnemonic as usize].push(form);
            }
        }
        table
    });
    &table[mnemonic as usize]
}
