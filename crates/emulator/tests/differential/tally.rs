//! What was found: how often the two agree, and where they do not.

use std::collections::BTreeMap;

use super::mutate::Parts;
use super::ours;
use super::ptxas::{Batch, Ptxas};

/// Disagreements that stay, each with its reason.
const KNOWN: &str = include_str!("known.txt");

/// Counts of mutants, and the disagreements.
#[derive(Default)]
pub struct Tally {
    /// Both take it, and the emulator loads it.
    pub taken: usize,
    /// Both take it, and the emulator says by name that it does not implement it.
    pub not_emulated: usize,
    /// Both refuse it.
    pub refused: usize,
    /// Disagreements that `known.txt` lists.
    pub known: usize,
    /// What we take and ptxas refuses, with the error.
    too_much: Vec<(String, String)>,
    /// What ptxas takes and we refuse, with the error.
    too_little: Vec<(String, String)>,
}

impl Tally {
    /// Compares each line of a batch that is looked at. What both take is loaded, if `loads` says so.
    pub fn add(&mut self, ptxas: &Ptxas, batch: &Batch, loads: bool) {
        let (theirs, ours) = (ptxas.errors(batch), ours::errors(batch));
        for ((&line, theirs), ours) in batch.looked_at.iter().zip(theirs).zip(ours) {
            if !self.compare(&batch.lines[line], theirs, ours) {
                continue;
            }
            let text = batch.text(|other| other != line && batch.looked_at.contains(&other));
            match loads.then(|| warpbook_emulator::Module::load(&text)) {
                None | Some(Ok(_)) => self.taken += 1,
                Some(Err(error)) if error.code == "ptx-unsupported" => self.not_emulated += 1,
                Some(Err(error)) => {
                    let text = batch.lines[line].clone();
                    if is_known("ours", &error.message, &text) {
                        self.known += 1;
                    } else {
                        self.too_little.push((text, format!("decoder: {}", error.message)));
                    }
                }
            }
        }
    }

    /// Compares a whole module.
    pub fn add_module(&mut self, ptxas: &Ptxas, name: &str, text: &str) {
        let ours = match warpbook_ptx::parse(text) {
            Ok(module) => warpbook_ptx::check::check(text, &module).err(),
            Err(error) => Some(error),
        };
        let ours = ours.map(|error| error.message.clone());
        self.taken += usize::from(self.compare(name, ptxas.error(text), ours));
    }

    /// Counts what two say of a text; true if both take it.
    fn compare(&mut self, text: &str, theirs: Option<String>, ours: Option<String>) -> bool {
        match (theirs, ours) {
            (None, None) => return true,
            (Some(_), Some(_)) => self.refused += 1,
            (Some(error), None) if is_known("ptxas", &error, text) => self.known += 1,
            (None, Some(error)) if is_known("ours", &error, text) => self.known += 1,
            (Some(error), None) => self.too_much.push((text.to_owned(), error)),
            (None, Some(error)) => self.too_little.push((text.to_owned(), error)),
        }
        false
    }

    /// Prints the counts; an error with the disagreements, grouped, where there are any.
    pub fn finish(self, wanted: usize) {
        println!(
            "{} taken by both, {} of legal PTX that is not emulated, {} refused by both, {} known disagreements",
            self.taken, self.not_emulated, self.refused, self.known
        );
        let mut report = String::new();
        for (what, list) in
            [("taken here, refused by ptxas", &self.too_much), ("refused here, taken by ptxas", &self.too_little)]
        {
            let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (text, error) in list {
                let error: String = error.chars().take(90).collect();
                kinds.entry(format!("{}: {error}", Parts::new(text).name)).or_default().push(text);
            }
            for (kind, texts) in kinds {
                report += &format!("{what}: {} × {kind}\n    {}\n", texts.len(), texts[0]);
            }
        }
        let count = self.taken + self.not_emulated + self.refused + self.known;
        assert!(
            report.is_empty(),
            "{} disagreements of {count}:\n{report}",
            self.too_much.len() + self.too_little.len()
        );
        assert!(count >= wanted, "{count} mutants");
    }
}

fn is_known(who: &str, error: &str, text: &str) -> bool {
    KNOWN.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let mut parts = line.split('|').map(str::trim);
        parts.next() == Some(who)
            && parts.next().is_some_and(|part| error.contains(part))
            && parts.next().is_some_and(|part| text.contains(part))
    })
}
