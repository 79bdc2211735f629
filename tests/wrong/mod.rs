//! Wrong kernels of the kinds that people write, each with the report that it has to get beside it.
//!
//! A file is a session: cells between lines of `----`, after a head of `#` lines that say what is wrong. `# expect CODE`
//! names the error of the last cell, `# gluon` the newest Triton. In Python the lines that a report may point at end in
//! `# here`. A cell `@edit STAGE KERNEL` is the kernel's text of that stage with changes, a line each: `2: old -> new`
//! changes the second place that has `old`. `WARPBOOK_BLESS=1` writes the reports.

use std::path::{Path, PathBuf};

use regex::Regex;
use warpbook::render::Output;
use warpbook::session::Session;
use warpbook_diagnostic::Diagnostic;
use warpbook_process::cancel::Cancel;
use warpbook_test_support::environment::{self, GLUON_TRITON};
use warpbook_test_support::notebook::Reader;
use warpbook_test_support::skip_unless;

type RunResult = Result<Option<Output>, Diagnostic>;

fn execute(session: &mut Session, cell: &str) -> RunResult {
    session.execute(cell, &Reader::default(), &Cancel::new())
}

/// The text with the `number`-th place that has `old` changed.
fn replaced(text: &str, number: usize, old: &str, new: &str) -> Option<String> {
    let (at, _) = text.match_indices(old).nth(number.checked_sub(1)?)?;
    Some(format!("{}{new}{}", &text[..at], &text[at + old.len()..]))
}

/// A kernel's text of a stage, changed, as a cell.
fn edited(session: &mut Session, cell: &str) -> Result<String, String> {
    let mut lines = cell.lines();
    let head = lines.next().unwrap_or_default();
    let (stage_and_kernel, options) = head.split_once(" --").map_or((head, ""), |(head, options)| (head, options));
    let reader = Reader::default();
    let edit = stage_and_kernel.replace("@edit", "%edit");
    session.execute(&edit, &reader, &Cancel::new()).map_err(|error| error.to_plain())?;
    let mut text = reader.take().next_cells.pop().ok_or_else(|| format!("`{edit}` makes no cell"))?;
    for change in lines {
        let parts =
            change.split_once(": ").and_then(|(number, rest)| Some((number.parse().ok()?, rest.split_once(" ->")?)));
        let Some((number, (old, new))) = parts else { return Err(format!("`{change}` is not `N: old -> new`")) };
        let Some(changed) = replaced(&text, number, old, new.trim_start()) else {
            let word = old.split(|c: char| !c.is_alphanumeric()).find(|word| word.len() > 1).unwrap_or(old);
            let near: Vec<&str> = text.lines().filter(|line| line.contains(word)).take(20).collect();
            return Err(format!("there is no place {number} of `{old}`; near it:\n{}", near.join("\n")));
        };
        text = changed;
    }
    let (header, body) = text.split_once('\n').ok_or("no body")?;
    let options = if options.is_empty() { String::new() } else { format!(" --{options}") };
    Ok(format!("{header} --check{options}\n{body}"))
}

/// The report of the last cell; the cells before it are right.
fn report(session: &mut Session, text: &str) -> Result<Diagnostic, String> {
    let cells: Vec<&str> = text.split("\n----\n").skip(1).collect();
    let Some((wrong, setup)) = cells.split_last() else { return Err("there are no cells".into()) };
    for cell in setup {
        execute(session, cell).map_err(|error| format!("a cell before the last: {}", error.to_plain()))?;
    }
    let wrong = if wrong.starts_with("@edit") { edited(session, wrong)? } else { (*wrong).to_owned() };
    match execute(session, &wrong) {
        Err(error) => Ok(error),
        Ok(output) => Err(format!("nothing is found:\n{}", output.unwrap_or_default().text)),
    }
}

/// What is wrong with the report, if anything.
fn verify(text: &str, error: &Diagnostic) -> Option<String> {
    let expected = text.lines().find_map(|line| line.strip_prefix("# expect ")).unwrap_or_default();
    if error.code != expected {
        return Some(format!("`{}`, not `{expected}`", error.code));
    }
    if text.contains("# here") {
        let place = error.source.as_ref().zip(error.labels.first());
        let line = place.and_then(|(source, label)| {
            let before = source.text.get(..label.span.start)?.matches('\n').count();
            source.text.lines().nth(before)
        });
        if !line.is_some_and(|line| line.contains("# here")) {
            return Some(format!("it points at `{}`", line.unwrap_or("nothing")));
        }
    }
    None
}

fn files(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut found = Vec::new();
    for kind in std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok).filter(|kind| kind.path().is_dir())
    {
        let files = std::fs::read_dir(kind.path()).expect("a folder").map(|file| file.expect("a file").path());
        found.extend(files.filter(|path| path.extension().is_some_and(|found| found != "report")));
    }
    found.retain(|path| extension.is_empty() || path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

#[test]
fn wrong_kernels_are_found_at_their_lines() {
    environment::python();
    let with_gluon = environment::managed(GLUON_TRITON).is_some();
    let only = std::env::var("WARPBOOK_WRONG").unwrap_or_default();
    let bless = std::env::var_os("WARPBOOK_BLESS").is_some();
    // Addresses and versions depend on what came before, paths on the machine.
    let varying =
        [("0x7[ef][0-9a-f]{10}", "0x7f…"), ("` v[0-9]+", "` v…"), (r"[^ (]*/site-packages/", "…/site-packages/")];
    let varying = varying.map(|(pattern, shown)| (Regex::new(pattern).expect("a pattern"), shown));
    let (mut session, mut failures, mut ran) = (Session::new(), Vec::new(), 0);
    let all = files("");
    assert!(all.len() >= 40, "{} kernels", all.len());
    for path in all {
        let name = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong")).expect("a path");
        let name = name.display().to_string();
        if !name.contains(&only) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let gluon = text.lines().any(|line| line == "# gluon");
        let help = format!("{name} is for Gluon: `%triton {GLUON_TRITON}` makes its environment");
        if gluon && !skip_unless(&format!("triton-{GLUON_TRITON}"), with_gluon, &help) {
            continue;
        }
        ran += 1;
        execute(&mut session, if gluon { "%triton 3.6.0" } else { "%triton 3.4.0" }).expect("an environment");
        let error = match report(&mut session, text.trim_end()) {
            Ok(error) => error,
            Err(problem) => {
                failures.push(format!("{name}: {problem}"));
                continue;
            }
        };
        if let Some(problem) = verify(&text, &error) {
            failures.push(format!("{name}: {problem}\n{}", error.to_plain()));
            continue;
        }
        let told =
            varying.iter().fold(error.to_plain(), |told, (pattern, shown)| pattern.replace_all(&told, *shown).into());
        let told = told.trim_end().to_owned() + "\n";
        let golden = path.with_extension("report");
        if bless {
            std::fs::write(&golden, &told).expect("writes");
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != told {
            failures.push(format!("{name}: its report is not that of {}:\n{told}", golden.display()));
        }
    }
    println!("{ran} wrong kernels, {} not found as expected", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
