//! Every instruction form that Triton emits, as `forms.txt` lists them, is run by some filetest.

use std::collections::BTreeSet;

use super::cases;

/// The instruction forms of a text: opcodes with their modifiers and types, as `benches/forms.py` takes them.
fn forms(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let statements: Vec<&str> = code.flat_map(|line| line.split(';')).collect();
    let opcode = |statement: &&str| {
        let statement = statement.trim().trim_start_matches('{').trim();
        let statement = match statement.strip_prefix('@') {
            Some(guarded) => guarded.split_once(char::is_whitespace)?.1.trim(),
            None => statement,
        };
        let end = statement.find(|c: char| c.is_whitespace() || "{([".contains(c)).unwrap_or(statement.len());
        let opcode = &statement[..end];
        let dotted = opcode.starts_with(|c: char| c.is_ascii_lowercase()) && opcode.contains('.');
        let plain = ["ret", "exit", "trap", "bra", "call"].contains(&opcode);
        (dotted || plain).then(|| opcode.to_owned())
    };
    statements.iter().filter_map(opcode).collect()
}

/// A new form in forms.txt fails here until it has its own file.
#[test]
fn every_form_that_triton_emits_has_a_filetest() {
    let cases = cases();
    // A form that ptxas refuses as well is known; one that the emulator lacks is not.
    let is_run = |lines: &[String]| !lines.iter().any(|line| line.starts_with("error ptx-unsupported"));
    let run = cases.iter().filter(|case| is_run(&case.expected));
    let run: BTreeSet<String> = run.flat_map(|case| forms(&case.text)).collect();
    let table = include_str!("forms.txt");
    let wanted = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wanted: BTreeSet<String> = wanted.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
    assert!(wanted.len() > 500, "the table has {} forms", wanted.len());
    let missing: Vec<&String> = wanted.difference(&run).collect();
    assert!(missing.is_empty(), "no filetest runs {missing:#?}");
}
