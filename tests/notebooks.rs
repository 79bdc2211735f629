//! The tutorials run, cell by cell, and what they claim holds.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use warpbook::frontend::Nobody;
use warpbook::guest::find_host;
use warpbook::session::Session;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::environment;

/// Runs a notebook; a cell tagged `raises-exception` has to fail, any other not. Its outputs stay light.
fn run(name: &str) {
    environment::python();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks").join(name);
    let notebook: Value = serde_json::from_str(&fs::read_to_string(path).expect("a notebook")).expect("JSON");
    let mut session = Session::new();
    let mut bytes = 0;
    let code = notebook["cells"].as_array().into_iter().flatten().filter(|cell| cell["cell_type"] == "code");
    for cell in code {
        let lines = cell["source"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let source: String = lines.collect();
        let may_fail = cell["metadata"]["tags"].as_array().into_iter().flatten().any(|tag| tag == "raises-exception");
        match session.execute(&source, &Nobody, &Cancel::new()) {
            Ok(_) if may_fail => panic!("{name}: this cell was to fail:\n{source}"),
            Err(error) if !may_fail => panic!("{name}:\n{source}\n{}", error.to_plain()),
            Ok(Some(output)) => {
                assert!(output.text.len() < 4096, "{name}: {} bytes of text:\n{source}", output.text.len());
                bytes += output.html.map_or(0, |html| html.len());
            }
            _ => {}
        }
    }
    assert!(bytes < 3 << 20, "{name}: {bytes} bytes of HTML");
}

#[test]
fn every_stage() {
    run("02-every-stage.ipynb");
}

#[test]
fn what_each_pass_does() {
    run("03-what-each-pass-does.ipynb");
}

#[test]
fn layouts_and_conversions() {
    run("04-layouts-and-conversions.ipynb");
}

#[test]
fn from_dot_to_mma() {
    run("05-from-dot-to-mma.ipynb");
}

#[test]
fn wgmma() {
    run("08-wgmma.ipynb");
}

#[test]
fn tensor_maps_and_mbarriers() {
    run("09-tensor-maps-and-mbarriers.ipynb");
}

/// Through the program, since the evaluator of Rust cells lies beside that.
#[test]
fn rust_cells() {
    let warpbook = Path::new(env!("CARGO_BIN_EXE_warpbook"));
    if find_host(warpbook).is_none() {
        println!("skipped: run `cargo build -p warpbook-rust-host --features evcxr` for this test");
        return;
    }
    environment::python();
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join("notebooks/19-rust-cells.ipynb");
    let folder = tempfile::tempdir().expect("a directory");
    let executed = folder.path().join("executed.ipynb");
    let output = Command::new(warpbook).arg("run").arg(notebook).arg("--output").arg(&executed).output();
    let output = output.expect("warpbook starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let executed = fs::read_to_string(executed).expect("the executed notebook");
    for expected in ["[1, 4, 10]", "image/svg+xml", "bits 0x3555", "panicked: a size of 7"] {
        assert!(executed.contains(expected), "{expected}");
    }
}
