//! Decides if PTX that was written for one architecture runs on another.

use warpbook_compiler::Target;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ptx::isa::forms::{Architecture, Reach};

/// Refuses PTX whose `.target` the session's target does not run: a newer architecture, or another one with its own
/// features (`sm_90a`; PTX ISA 11.1.2, `.target`). Text without a directive is left to the parser. The error points into
/// `text`.
pub fn check(text: &str, target: Target) -> Result<()> {
    let Some((start, name)) = directive(text) else { return Ok(()) };
    let Some(written) = Architecture::parse(name) else { return Ok(()) };
    let own = target.0;
    if written.runs_on(own) {
        return Ok(());
    }
    let number = written.number;
    let who = match written.reach {
        Reach::Later => format!("sm_{number} and later"),
        Reach::Family => format!("sm_{number} and its family"),
        Reach::Alone => format!("sm_{number} alone"),
    };
    let error = Diagnostic::error("wrong-architecture", format!("this PTX is for {who}, and the target is sm_{own}"));
    Err(error.at(start..start + name.len(), "").help(format!(
        "`--target sm_{number}` in the header or `%target sm_{number}` chooses it, as far as the device goes; or write \
         `.target sm_{own}`"
    )))
}

/// The first word after `.target` at the beginning of a line, and where it stands.
fn directive(text: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(words) = line.trim_start().strip_prefix(".target")
            && words.starts_with(char::is_whitespace)
        {
            let name = words.trim_start();
            let at = start + line.len() - name.len();
            let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
            return Some((at, &name[..end]));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, target: u32) -> Option<String> {
        check(&format!("// a comment\n.version 8.7\n.target {name}\n"), Target(target)).err().map(|error| {
            assert_eq!(error.labels[0].span, 34..34 + name.split(',').next().unwrap_or(name).len());
            error.message.clone()
        })
    }

    #[test]
    fn older_architectures_run_and_newer_ones_are_named() {
        for (name, target) in
            [("sm_80", 80), ("sm_80", 90), ("sm_90a", 90), ("sm_100f", 103), ("sm_103a", 103), ("sm_70, debug", 75)]
        {
            assert_eq!(outcome(name, target), None, "{name} on {target}");
        }
        assert_eq!(outcome("sm_100", 90).as_deref(), Some("this PTX is for sm_100 and later, and the target is sm_90"));
        assert_eq!(outcome("sm_90a", 100).as_deref(), Some("this PTX is for sm_90 alone, and the target is sm_100"));
        assert!(outcome("sm_100f", 120).is_some() && outcome("sm_100a", 103).is_some());
    }
}
