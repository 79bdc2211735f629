//! What our check says of the same instructions.

use warpbook_diagnostic::Diagnostic;
use warpbook_ptx::check;

use super::ptxas::Batch;

/// The error of each line that is looked at; `None` where the check takes it.
pub fn errors(batch: &Batch) -> Vec<Option<String>> {
    let mut errors: Vec<Option<String>> = vec![None; batch.lines.len()];
    let mut gone = vec![false; batch.lines.len()];
    loop {
        let text = batch.text(|line| gone[line]);
        let line = |error: &Diagnostic| {
            let at = error.labels.first().map_or(0, |label| label.span.start.min(text.len()));
            text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
        };
        match warpbook_ptx::parse(&text) {
            Ok(module) => {
                for error in check::problems(&text, &module).expect("nobody interrupts") {
                    errors[line(&error)].get_or_insert(error.message.clone());
                }
                return batch.looked_at.iter().map(|&line| errors[line].take()).collect();
            }
            // The parser stops at the first error, which may show in the line behind.
            Err(error) => {
                let at = line(&error);
                let looked_at = |index: &usize| batch.looked_at.contains(index) && !gone[*index];
                let at = (0..=at).rev().find(looked_at);
                let Some(at) = at else { panic!("a line that nothing was changed in: {}", error.message) };
                errors[at] = Some(error.message.clone());
                gone[at] = true;
            }
        }
    }
}
