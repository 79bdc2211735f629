//! The PTX that a cubin carries.

use object::{Object, ObjectSection};

/// The section that holds the PTX a cubin was made from, its lines separated by NUL.
const SECTION: &str = ".nv_debug_ptx_txt";

/// The PTX that an ELF file carries; `None` without its section. ptxas writes it with `-lineinfo`, as Triton does.
pub fn embedded_in(file: &object::File<'_>) -> Option<String> {
    let data = file.section_by_name(SECTION)?.data().ok()?;
    Some(String::from_utf8_lossy(data).replace('\0', "\n"))
}
