//! `test cuda`: the file gives the same bits on a GPU of compute capability 9.0. What only the checks find is left out.
//!
//! `WARPBOOK_FILETESTS_DEVICE=cuda:0` names the GPU, `WARPBOOK_PROGRAM` a built `warpbook`, which hosts it.

use std::path::PathBuf;

use warpbook_device::cuda::Hosted;
use warpbook_test_support::skip_unless;

use super::case::Command;
use super::{compare, launch};

#[test]
fn cuda() {
    let device = std::env::var("WARPBOOK_FILETESTS_DEVICE").ok();
    let program = std::env::var_os("WARPBOOK_PROGRAM").map(PathBuf::from);
    let gpu = device.zip(program);
    if !skip_unless("gpu", gpu.is_some(), "WARPBOOK_FILETESTS_DEVICE and WARPBOOK_PROGRAM name none") {
        return;
    }
    let (name, program) = gpu.expect("both are named");
    let (count, wrong) = compare(Command::Cuda, |case| {
        let device = Hosted::start_by(&name, &program).map(|device| Box::new(device) as _);
        let mut lines = launch::run(case, &case.text, device, false);
        lines.extend(case.expected.iter().filter(|line| line.starts_with("without ")).cloned());
        lines
    });
    println!("{count} files, {} wrong", wrong.len());
    assert!(count > 300 && wrong.is_empty(), "{count} files\n{}", wrong.join("\n"));
}
