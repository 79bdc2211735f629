//! The check of PTX (`warpbook_ptx::check`) against ptxas, both ways: what one refuses the other refuses.
//!
//! Mutants are made of the instructions of the filetests, of instances of the forms that the tables list, and of the heads
//! and declarations of whole files. ptxas looks at many at once: it names the line of each error. Disagreements that stay
//! are in `known.txt`, with their reasons. A seed makes the same mutants in every run.

mod instances;
mod mutate;
mod ours;
mod ptxas;
mod tally;

use mutate::{Parts, mutant};
use ptxas::{Batch, Ptxas};
use tally::Tally;
use warpbook_ptx::isa::Mnemonic;
use warpbook_test_support::random::Random;

use crate::filetests;

fn assembler() -> Option<Ptxas> {
    filetests::ptxas::assembler().map(|path| Ptxas { path })
}

/// A number that the environment may give: `WARPBOOK_TEST_SEED=7`.
fn number(name: &str, default: usize) -> usize {
    std::env::var(format!("WARPBOOK_TEST_{name}")).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Instances of the forms of all instructions, and mutants of them.
fn forms(tally: &mut Tally, ptxas: &Ptxas, of_each: usize, mutants: usize, random: &mut Random) {
    for (version, target) in [("8.7", "sm_100a"), ("8.7", "sm_90a"), ("7.4", "sm_80")] {
        let head = instances::head(version, target);
        // ptxas slows down over very long functions.
        for mnemonics in Mnemonic::ALL.chunks(24) {
            let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
            let start = lines.len();
            for &mnemonic in mnemonics {
                for instance in instances::instances(mnemonic, of_each, random) {
                    lines.push(instance.to_string());
                    let changed = (0..mutants).filter_map(|_| mutant(&instance, &instances::registers(), random));
                    lines.extend(changed.map(|parts| parts.to_string()));
                }
            }
            let looked_at = (start..lines.len()).collect();
            lines.extend(["ret;".to_owned(), "}".to_owned()]);
            tally.add(ptxas, &Batch { lines, looked_at }, false);
        }
    }
}

/// Mutants of the instructions of a number of filetests.
fn instructions(tally: &mut Tally, ptxas: &Ptxas, files: usize, mutants: usize, random: &mut Random) {
    let paths = filetests::paths();
    for _ in 0..files {
        let text = std::fs::read_to_string(random.pick(&paths)).expect("a file");
        // A version that this ptxas does not know says nothing of the mutants.
        if ptxas.error(&text).is_none()
            && let Some(batch) = mutated(&text, mutants, random)
        {
            tally.add(ptxas, &batch, true);
        }
    }
}

/// A module with mutants behind some of its instructions, each in a line of its own.
fn mutated(text: &str, count: usize, random: &mut Random) -> Option<Batch> {
    let module = warpbook_ptx::parse(text).ok()?;
    let instructions: Vec<_> = module.instructions().collect();
    let registers = registers(&module);
    if instructions.is_empty() || registers.is_empty() {
        return None;
    }
    let mut inserted: Vec<(usize, String)> = Vec::new();
    for _ in 0..count {
        let instruction = random.pick(&instructions);
        let parts = Parts::new(&text[instruction.span.clone()].replace('\n', " "));
        inserted.extend(mutant(&parts, &registers, random).map(|parts| (instruction.span.end, parts.to_string())));
    }
    inserted.sort();
    let (mut result, mut at, mut looked_at) = (String::new(), 0, Vec::new());
    for (end, mutant) in inserted {
        result += &text[at..end];
        result.push('\n');
        looked_at.push(result.matches('\n').count());
        result += &mutant;
        result.push('\n');
        at = end;
    }
    result += &text[at..];
    Some(Batch { lines: result.lines().map(str::to_owned).collect(), looked_at })
}

/// A register of each declaration.
fn registers(module: &warpbook_ptx::Module) -> Vec<String> {
    let body = module.functions.iter().filter_map(|function| function.body.as_deref());
    let mut names = Vec::new();
    for statement in body.flatten() {
        if let warpbook_ptx::Statement::Registers { names: declared, .. } = statement {
            let first = |(name, count): &(String, Option<u32>)| match count {
                Some(_) => format!("{name}0"),
                None => name.clone(),
            };
            names.extend(declared.iter().map(first));
        }
    }
    names
}

/// Files with another version or target, or with a declaration or a label less or twice.
fn modules(tally: &mut Tally, ptxas: &Ptxas, count: usize, random: &mut Random) {
    const VERSIONS: &[&str] = &["6.0", "6.5", "7.0", "7.4", "7.8", "8.0", "8.3", "8.6"];
    const TARGETS: &[&str] = &["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_100a", "sm_120a"];
    let paths = filetests::paths();
    for _ in 0..count {
        let path = random.pick(&paths);
        let text = std::fs::read_to_string(path).expect("a file");
        let lines: Vec<&str> = text.lines().collect();
        let begins = |line: &&&str, words: &[&str]| words.iter().any(|word| line.trim_start().starts_with(word));
        let declarations: Vec<&str> = lines
            .iter()
            .filter(|line| begins(line, &[".reg", ".shared", ".local"]) || line.ends_with(':'))
            .copied()
            .collect();
        let change = random.below(4);
        let chosen = if declarations.is_empty() { "" } else { *random.pick(&declarations) };
        let (version, target) = (*random.pick(VERSIONS), *random.pick(TARGETS));
        let changed: Vec<String> = lines
            .iter()
            .flat_map(|&line| match change {
                0 if line.starts_with(".version ") => vec![format!(".version {version}")],
                1 if line.starts_with(".target ") => vec![format!(".target {target}")],
                2 if line == chosen => Vec::new(),
                3 if line == chosen => vec![line.to_owned(); 2],
                _ => vec![line.to_owned()],
            })
            .collect();
        let name = format!("{} {change} {version} {target} {chosen}", path.file_stem().unwrap_or_default().display());
        if ptxas.error(&text).is_none() {
            tally.add_module(ptxas, &name, &changed.join("\n"));
        }
    }
}

/// Some hundred mutants.
#[test]
fn mutants_are_refused_as_by_ptxas() {
    let Some(ptxas) = assembler() else { return };
    let mut random = Random(number("SEED", 1) as u64);
    let mut tally = Tally::default();
    instructions(&mut tally, &ptxas, 40, 12, &mut random);
    modules(&mut tally, &ptxas, 40, &mut random);
    tally.finish(300);
}

/// Thousands of mutants, of every form: `cargo test -p warpbook-emulator many_mutants -- --ignored --nocapture`.
#[test]
#[ignore = "it takes minutes"]
fn many_mutants_are_refused_as_by_ptxas() {
    let Some(ptxas) = assembler() else { return };
    let mut random = Random(number("SEED", 2) as u64);
    let mut tally = Tally::default();
    forms(&mut tally, &ptxas, number("EACH", 2), number("MUTANTS", 3), &mut random);
    instructions(&mut tally, &ptxas, number("FILES", 200), 12, &mut random);
    modules(&mut tally, &ptxas, number("FILES", 200), &mut random);
    tally.finish(3000);
}
