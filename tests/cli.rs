//! The command line, as a person types it. The managed environment is made on first use and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use warpbook::guest::find_host;
use warpbook_test_support::skip_unless;

fn warpbook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warpbook"));
    command.args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// A notebook of cells of code, each with its tags.
fn notebook(directory: &TempDir, cells: &[(&str, &[&str])]) -> PathBuf {
    let cells = cells.iter().enumerate().map(|(index, (source, tags))| {
        json!({
            "cell_type": "code", "id": format!("cell-{index}"), "metadata": { "tags": tags },
            "source": source, "outputs": [], "execution_count": null,
        })
    });
    let notebook = json!({
        "cells": cells.collect::<Vec<_>>(), "nbformat": 4, "nbformat_minor": 5,
        "metadata": { "kernelspec": { "name": "warpbook", "display_name": "Warpbook", "language": "rust" } },
    });
    let path = directory.path().join("a book.ipynb");
    fs::write(&path, notebook.to_string()).expect("written");
    path
}

fn run(notebook: &Path, arguments: &[&str]) -> Output {
    warpbook(&["run"]).arg(notebook).args(arguments).output().expect("warpbook starts")
}

fn executed(notebook: &Path) -> Value {
    let path = notebook.with_file_name("a book.executed.ipynb");
    serde_json::from_str(&fs::read_to_string(path).expect("the executed notebook")).expect("json")
}

fn data_home() -> PathBuf {
    let set = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    set.or_else(|| Some(std::env::home_dir()?.join(".local/share"))).expect("a home directory")
}

#[test]
fn a_notebook_is_run_and_its_results_are_printed_and_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let book = notebook(&directory, &[("%help", &[]), ("%no_such_magic", &["raises-exception"]), ("%help help", &[])]);
    // A home of its own, to see what is left there; the managed environment is in the usual place.
    let home = tempfile::tempdir().expect("a directory");
    let mut command = warpbook(&["run", "--timeout", "60"]);
    let output = command.arg(&book).env("HOME", home.path()).env("XDG_DATA_HOME", data_home()).output();
    let output = output.expect("warpbook starts");
    succeeds(&output);
    for left in [".local/share/jupyter", ".jupyter"] {
        assert!(!home.path().join(left).exists(), "{left}");
    }
    let printed = text(&output.stdout);
    assert!(printed.contains("── 1/3 ── %help"), "{printed}");
    assert!(printed.contains("no_such_magic"), "{printed}");
    assert!(printed.contains("── 3/3 ── %help help"), "{printed}");
    let cells = executed(&book);
    assert_eq!(cells["cells"][1]["outputs"][0]["output_type"], "error");
    assert_eq!(cells["cells"][2]["execution_count"], 3);
}

#[test]
fn a_failing_cell_fails_the_run_and_is_in_the_executed_notebook() {
    let directory = tempfile::tempdir().expect("a directory");
    let book = notebook(&directory, &[("%no_such_magic", &[]), ("%help", &[])]);
    let output = run(&book, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cell 1 of"), "{}", text(&output.stderr));
    let cells = executed(&book);
    assert_eq!(cells["cells"][0]["outputs"][0]["output_type"], "error");
    assert_eq!(cells["cells"][1]["execution_count"], Value::Null);
}

#[test]
fn plain_cells_are_rust() {
    let host = find_host(Path::new(env!("CARGO_BIN_EXE_warpbook")));
    if !skip_unless("rust-cells", host.is_some(), "`cargo build -p warpbook-rust-host --features evcxr`") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let book = notebook(&directory, &[("let x = 41;\nprintln!(\"printed\");", &[]), ("x + 1", &[])]);
    let output = run(&book, &[]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("printed\n"));
    let cells = executed(&book);
    assert_eq!(cells["cells"][1]["outputs"][0]["data"]["text/plain"], json!(["42"]));
}

#[test]
fn what_is_no_notebook_is_refused() {
    let output = warpbook(&["run", "/nowhere/book.ipynb"]).output().expect("warpbook starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no file"), "{}", text(&output.stderr));

    let directory = tempfile::tempdir().expect("a directory");
    let book = directory.path().join("a book.ipynb");
    fs::write(&book, "{").expect("written");
    let output = run(&book, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not a notebook"), "{}", text(&output.stderr));
}

/// A cell as the format wants it, and notebooks that are other than the format wants them: run, or refused in words.
#[test]
fn odd_notebooks_are_run_or_refused() {
    let cell =
        json!({"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": null, "source": "%let a = 1"});
    let with = |cells: Value| json!({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}).to_string();
    let changed = |name: &str, value: Value| {
        let mut cell = cell.clone();
        match value {
            Value::Null => drop(cell.as_object_mut().expect("an object").remove(name)),
            value => cell[name] = value,
        }
        with(json!([cell]))
    };
    let old = json!({
        "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "old"},
        "worksheets": [{"metadata": {}, "cells": [
            {"cell_type": "code", "language": "rust", "metadata": {}, "collapsed": false, "outputs": [],
             "input": ["%let a = 1"], "prompt_number": 1},
        ]}],
    });
    let huge = json!([{"output_type": "stream", "name": "stdout", "text": "x".repeat(8 << 20)}]);
    let runs = [
        with(json!([])),
        old.to_string(),
        changed("source", Value::Null),
        changed("source", json!(["%let a = 1\n", "%let b = 2"])),
        changed("source", json!("%let a = 1")),
        changed("metadata", Value::Null),
        changed("metadata", json!({"tags": null})),
        changed("outputs", Value::Null),
        changed("outputs", huge),
        changed("execution_count", Value::Null),
        changed("cell_type", json!("markdown")),
        json!({"nbformat": 4, "nbformat_minor": 5, "cells": [cell]}).to_string(),
    ];
    let refused = [
        String::new(),
        " \n".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "1".to_owned(),
        "{}".to_owned(),
        "\u{feff}{}".to_owned(),
        "[".repeat(100_000),
        json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}).to_string(),
        json!({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}).to_string(),
        json!({"nbformat": 4, "nbformat_minor": 5, "metadata": 7, "cells": []}).to_string(),
        json!({"nbformat": "four", "metadata": {}, "cells": []}).to_string(),
        with(json!([7])),
        with(json!([null])),
        changed("source", json!(7)),
        changed("source", json!([7])),
        changed("outputs", json!("text")),
    ];
    // Each is read by the script in one interpreter; the first of both kinds goes all the way.
    let directory = tempfile::tempdir().expect("a directory");
    let cases: Vec<(&String, bool)> =
        runs.iter().map(|text| (text, true)).chain(refused.iter().map(|text| (text, false))).collect();
    let mut paths = Vec::new();
    for (index, (text, _)) in cases.iter().enumerate() {
        paths.push(directory.path().join(format!("{index}.ipynb")));
        fs::write(&paths[index], text).expect("written");
    }
    let script = "import sys\nexec(compile(open(sys.argv[1]).read(), 'run.py', 'exec'))\n\
                  for path in sys.argv[2:]:\n    try:\n        book = read(path)\n        \
                  assert all(isinstance(cell.source, str) for cell in book.cells)\n        print('read')\n    \
                  except Exception as error:\n        print('refused:', error)\n";
    let mut python = Command::new(warpbook_test_support::environment::python());
    python.args(["-c", script, concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/run.py")]).args(&paths);
    let output = python.env_remove("WARPBOOK_RUN").output().expect("Python starts");
    succeeds(&output);
    let said = text(&output.stdout);
    assert_eq!(said.lines().count(), cases.len(), "{said}");
    for ((book, is_read), line) in cases.iter().zip(said.lines()) {
        assert_eq!(line == "read", *is_read, "{line}: {:?}", book.get(..200.min(book.len())));
    }
    succeeds(&run(&paths[1], &["--set", "n=1"]));
    let output = run(&paths[runs.len()], &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is not a notebook") && said.contains("the file is empty"), "{said}");
}

#[test]
fn names_that_are_no_unicode_and_places_that_cannot_be_written() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"b\xffk.ipynb");
    let mut command = warpbook(&["run"]);
    let output = command.arg(name).env("TRITON_X", name).env(name, name).output().expect("warpbook starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no file"), "{}", text(&output.stderr));

    let directory = tempfile::tempdir().expect("a directory");
    let book = notebook(&directory, &[("%let a = 1", &[])]);
    let odd = directory.path().join(name);
    fs::rename(&book, &odd).expect("renamed");
    let mut command = warpbook(&["run"]);
    let output = command.arg(&odd).env("TRITON_X", name).env("MLIR_X", name).output().expect("warpbook starts");
    succeeds(&output);
    for target in ["/proc/nowhere/book.ipynb", directory.path().to_str().expect("Unicode")] {
        let output = run(&odd, &["--output", target]);
        assert_eq!(output.status.code(), Some(1), "{target}");
        assert!(text(&output.stderr).contains("cannot write"), "{}", text(&output.stderr));
        assert!(!text(&output.stdout).contains("1/1"), "no cell has run");
    }
}

#[test]
fn lab_is_jupyterlab() {
    let output = warpbook(&["lab", "--version"]).output().expect("warpbook starts");
    succeeds(&output);
    assert!(text(&output.stdout).trim().starts_with("4."), "{}", text(&output.stdout));
}

#[test]
fn doctor_says_what_is_there_and_what_is_not() {
    let output = warpbook(&["doctor"]).output().expect("warpbook starts");
    succeeds(&output);
    let report = text(&output.stdout);
    for title in ["GPU", "Python and Triton", "Rust cells", "Jupyter", "Storage"] {
        assert!(report.contains(&format!("\n{title}\n")), "{report}");
    }

    // With nothing in PATH, each missing thing comes with what to do.
    let output = warpbook(&["doctor"]).env("PATH", "/nowhere").output().expect("warpbook starts");
    let report = text(&output.stdout);
    assert!(report.contains("no `python3` in PATH"), "{report}");
    assert!(report.contains("→ install Python"), "{report}");

    // A data directory that cannot be written is the one thing that stops everything.
    let output = warpbook(&["doctor"]).env("XDG_DATA_HOME", "/proc/nowhere").output().expect("warpbook starts");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("  !!  data:"), "{}", text(&output.stdout));
}

#[test]
fn no_python_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let book = notebook(&directory, &[("%help", &[])]);
    let mut command = warpbook(&["run"]);
    command.arg(&book).env("PATH", "/nowhere").env("XDG_DATA_HOME", directory.path());
    command.env_remove("WARPBOOK_PYTHON").env_remove("VIRTUAL_ENV").env_remove("CONDA_PREFIX");
    let output = command.output().expect("warpbook starts");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("no-python") && said.contains("install Python"), "{said}");
}

#[test]
fn an_interrupted_set_up_is_made_anew() {
    // A directory without its mark is what an interruption leaves; a pip that reaches nothing cannot complete it.
    let directory = tempfile::tempdir().expect("a directory");
    let environment = directory.path().join("warpbook/environments/triton-3.4.0");
    fs::create_dir_all(environment.join("bin")).expect("made");
    fs::write(environment.join("bin/python"), "half a file").expect("written");
    let book = notebook(&directory, &[("%help", &[])]);
    let mut command = warpbook(&["run"]);
    command.arg(&book).env("XDG_DATA_HOME", directory.path()).env("PIP_INDEX_URL", "http://127.0.0.1:9/simple");
    command.env("PIP_NO_CACHE_DIR", "1").env("PIP_RETRIES", "0").env_remove("PIP_EXTRA_INDEX_URL");
    command.env_remove("WARPBOOK_PYTHON").env_remove("VIRTUAL_ENV").env_remove("CONDA_PREFIX");
    let output = command.output().expect("warpbook starts");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot install Triton 3.4.0") && said.contains("needs the network"), "{said}");
    assert!(environment.join("pyvenv.cfg").is_file(), "made anew");
}
