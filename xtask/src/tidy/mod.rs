//! Checks of the structure of the code. To add one: a file here with a `pub const CHECK`, and its line in [`CHECKS`].

mod arrows;
mod cycles;
mod head_docs;
mod long_functions;
mod markup;
mod opcodes;
mod short_docs;
mod styles;
mod unsafe_code;

use crate::workspace::Workspace;

/// All checks, in the order in which they run.
const CHECKS: &[Check] = &[
    cycles::CHECK,
    arrows::CHECK,
    unsafe_code::CHECK,
    opcodes::CHECK,
    markup::CHECK,
    styles::CHECK,
    head_docs::CHECK,
    long_functions::CHECK,
    short_docs::CHECK,
];

/// A check of the workspace.
#[derive(Clone, Copy)]
pub struct Check {
    /// The name on the command line.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Workspace) -> Outcome,
}

/// What a check found.
#[derive(Default)]
pub struct Outcome {
    /// One line, with the figures.
    pub summary: String,
    /// What the figures count, line by line.
    pub details: Vec<String>,
    /// What has to be changed; the check fails if there is any.
    pub problems: Vec<String>,
}

impl Outcome {
    /// A count that must not rise above `bound`. The bound is lowered when the count falls; it is never raised.
    pub fn bounded(what: &str, count: usize, bound: usize) -> Self {
        let mut outcome = Self { summary: format!("{count} {what}"), ..Self::default() };
        if count > bound {
            outcome.problems.push(format!("{count} {what}, {bound} before: the number may only fall"));
        } else if count < bound {
            outcome.summary += &format!(" (the bound {bound} in xtask/src/tidy can be lowered)");
        }
        outcome
    }
}

/// The checks of these names, or all of them.
pub fn select(names: &[String]) -> Result<Vec<Check>, String> {
    if names.is_empty() {
        return Ok(CHECKS.to_vec());
    }
    let known = || CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let check = CHECKS.iter().find(|check| check.name == name);
        check.copied().ok_or_else(|| format!("no check is called `{name}`; there are: {}", known()))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_tidy() {
        let workspace = Workspace::read(&crate::repository()).expect("the sources can be read");
        assert!(workspace.files.len() > 200, "{} files", workspace.files.len());
        let mut problems = Vec::new();
        for check in CHECKS {
            let found = (check.run)(&workspace).problems;
            problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", check.name)));
        }
        assert!(problems.is_empty(), "{}\n`cargo xtask tidy` prints the details", problems.join("\n"));
    }
}
