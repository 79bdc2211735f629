//! `test check`: the file is launched on the emulator under its checks; each finding is an `error` line.
//!
//! Lines that end in a mark, `// A`, are right; `without A:` says what is found once they are gone.

use warpbook_device::Emulated;

use super::case::{Case, Command};
use super::{compare, launch};

/// Launches a case, and once more without the lines of each mark.
fn run(case: &Case) -> Vec<String> {
    let device = || Ok(Box::new(Emulated::new(case.architecture)) as _);
    let mut found = launch::run(case, &case.text, device(), true);
    for (mark, mutant) in mutants(&case.text) {
        let lines = launch::run(case, &mutant, device(), true);
        let mut errors: Vec<String> = lines.into_iter().filter(|line| line.starts_with("error")).collect();
        if errors.is_empty() {
            errors.push("nothing is found".to_owned());
        }
        found.extend(errors.into_iter().map(|line| format!("without {mark}: {line}")));
    }
    found
}

/// The marks of a text in order, and the text without the lines that have each.
fn mutants(text: &str) -> Vec<(String, String)> {
    let mark = |line: &str| {
        let (_, mark) = line.rsplit_once("// ").filter(|_| !line.starts_with("//"))?;
        (mark.len() == 1 && mark.chars().all(|c| c.is_ascii_uppercase())).then(|| mark.to_owned())
    };
    let mut marks: Vec<String> = text.lines().filter_map(mark).collect();
    marks.sort();
    marks.dedup();
    let without = |gone: String| {
        let lines = text.lines().map(|line| if mark(line).as_ref() == Some(&gone) { "" } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        (gone, text)
    };
    marks.into_iter().map(without).collect()
}

#[test]
fn check() {
    let (count, wrong) = compare(Command::Check, run);
    assert!(count > 10 && wrong.is_empty(), "{count} files\n{}", wrong.join("\n"));
}
