//! What the driver's errors mean for the reader.

use super::protocol::DriverError;
use warpbook_diagnostic::{Diagnostic, code};

/// The error as the user sees it. `lost` is true if the context died with it.
pub fn diagnostic(error: &DriverError, device: &str, lost: bool) -> Diagnostic {
    let (code, message, help) = match error.name.as_str() {
        "CUDA_ERROR_ILLEGAL_ADDRESS" => (
            "illegal-address",
            format!("the kernel touched memory on {device} that is not allocated"),
            "a pointer, an offset or a missing mask; `%device emu` finds the access and its buffer",
        ),
        "CUDA_ERROR_MISALIGNED_ADDRESS" => (
            "misaligned-address",
            format!("the kernel touched memory on {device} at an address that its width does not divide"),
            "a view that begins off the 16 bytes that the kernel was compiled for, or a wrong offset",
        ),
        "CUDA_ERROR_ILLEGAL_INSTRUCTION" => (
            "illegal-instruction",
            format!("the kernel executed an instruction on {device} that is illegal there"),
            "`trap`, or an instruction with operands that the hardware refuses (a tensor map, a descriptor)",
        ),
        "CUDA_ERROR_ASSERT" => {
            ("device-assert", format!("an assertion of the kernel failed on {device}"), "the message above names it")
        }
        "CUDA_ERROR_LAUNCH_TIMEOUT" => (
            "launch-timeout",
            format!("{device} ended the kernel because it ran too long"),
            "a GPU that also draws a display has a limit on a kernel's time",
        ),
        "CUDA_ERROR_OUT_OF_MEMORY" => (
            code::OUT_OF_MEMORY,
            format!("{device} has no memory left"),
            "`%bufs` shows what is allocated, `%free` gives it back",
        ),
        "CUDA_ERROR_UNSUPPORTED_PTX_VERSION" => (
            "ptx-version",
            format!("the driver of {device} does not know this PTX version"),
            "give the `.version` that the driver knows (`ptx_version=` in the header), or let ptxas make the cubin",
        ),
        "CUDA_ERROR_NO_BINARY_FOR_GPU" | "CUDA_ERROR_INVALID_SOURCE" => (
            "wrong-architecture",
            format!("this code is not for {device}"),
            "`%target` names what is compiled for; a cubin runs on its own architecture only",
        ),
        "CUDA_ERROR_INVALID_PTX" => {
            ("invalid-ptx", format!("the driver of {device} cannot compile this PTX"), "its log stands above")
        }
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES" => (
            "launch-resources",
            format!("{device} cannot hold one block of this launch"),
            "fewer threads, fewer registers (`maxnreg`) or less shared memory",
        ),
        "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE" => (
            "cooperative-launch",
            format!("{device} cannot hold all blocks of this cooperative launch at once"),
            "a smaller grid",
        ),
        "CUDA_ERROR_NOT_FOUND" => {
            ("unknown-entry", "the code has no kernel of this name".to_owned(), "the header's name chooses it")
        }
        "no CUDA driver" => ("no-gpu", error.text.clone(), "`%device emu` runs the same PTX on the CPU"),
        _ if lost => {
            ("device-fault", format!("the kernel failed on {device}: {}", error.text), "`%device emu` may find why")
        }
        _ => (
            "driver",
            format!("the driver of {device} refused: {}", error.text),
            "`warpbook doctor` shows the driver's version",
        ),
    };
    let mut diagnostic = Diagnostic::error(code, message);
    if error.name != "no CUDA driver" {
        diagnostic = diagnostic.note(format!("{} returned {}", error.call, error.name));
    }
    if !error.detail.is_empty() {
        diagnostic = diagnostic.note(error.detail.trim_end().to_owned());
    }
    diagnostic.help(help)
}
