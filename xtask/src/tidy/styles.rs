//! The style sheets of views: each has classes of its own, all of them are used, and colours and typefaces are tokens.
//! JupyterLab has all outputs of a notebook in one document: a rule for what is not its own would restyle another view.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;

use super::{Check, Outcome};
use crate::repository;
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "styles", run };

/// The sheet of what all others share.
const TOKENS: &str = "tokens";
/// The element around every output.
const ROOT: &str = "wb-output";
/// Classes without a rule: scripts and tests find their element by them.
const HOOKS: [&str; 4] = [ROOT, "wb-stages", "wb-player-all", "wb-player-position"];
/// A property that an element carries itself: the width of its labels.
const OWN_PROPERTIES: [&str; 1] = ["--wb-stages-label"];

fn run(_: &Workspace) -> Outcome {
    match Views::read(&repository().join("src/render")) {
        Ok(views) => views.outcome(),
        Err(problem) => Outcome { problems: vec![problem], ..Outcome::default() },
    }
}

/// The sheets, and what uses them.
struct Views {
    /// Sheets by name, without comments.
    sheets: BTreeMap<String, String>,
    /// Rust files and scripts by path.
    users: BTreeMap<String, String>,
    patterns: Patterns,
}

struct Patterns {
    class: Regex,
    mention: Regex,
    literal: Regex,
    property: Regex,
    cell: Regex,
}

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            class: Regex::new(r"\.(-?[A-Za-z_][\w-]*)")?,
            // `wb-player-${state}` stands for all classes that begin so.
            mention: Regex::new(r"(?:^|[^-\w])(wb-[a-z0-9-]*[a-z0-9])(-\$\{)?")?,
            literal: Regex::new(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|light-dark\(|font-family")?,
            property: Regex::new(r"var\((--[\w-]+)")?,
            cell: Regex::new(r"(?:-cell|-title|-row|-number|-element|-index|\btd|\bth)$")?,
        })
    }

    fn classes(&self, text: &str) -> BTreeSet<String> {
        self.class.captures_iter(text).map(|found| found[1].to_owned()).collect()
    }
}

/// The selectors of a sheet.
fn selectors(sheet: &str) -> impl Iterator<Item = &str> {
    let heads = sheet.split('}').filter_map(|rule| rule.split_once('{')).map(|(head, _)| head);
    heads.flat_map(|head| head.split(',')).map(str::trim)
}

impl Views {
    fn read(render: &Path) -> Result<Self, String> {
        let patterns = Patterns::new().map_err(|error| error.to_string())?;
        let comment = Regex::new(r"(?s)/\*.*?\*/").map_err(|error| error.to_string())?;
        let sheets = texts(&render.join("styles"), &["css"])?;
        let sheets = sheets.into_iter().map(|(name, text)| {
            (name.trim_end_matches(".css").to_owned(), comment.replace_all(&text, "").into_owned())
        });
        let sheets = sheets.collect();
        let mut users = texts(render, &["rs"])?;
        users.extend(texts(&render.join("scripts"), &["js"])?);
        Ok(Self { sheets, users, patterns })
    }

    fn outcome(&self) -> Outcome {
        let checks = [Self::strangers, Self::literals, Self::properties, Self::weak_cells, Self::uses];
        let problems: Vec<String> = checks.iter().flat_map(|check| check(self)).collect();
        let classes: BTreeSet<String> = self.sheets.values().flat_map(|sheet| self.patterns.classes(sheet)).collect();
        let summary = format!("{} sheets, {} classes", self.sheets.len(), classes.len());
        Outcome { summary, problems, ..Outcome::default() }
    }

    fn all_but_tokens(&self) -> impl Iterator<Item = (&String, &String)> {
        self.sheets.iter().filter(|(name, _)| *name != TOKENS)
    }

    /// Selectors of what is not the sheet's own.
    fn strangers(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, sheet) in self.all_but_tokens() {
            let start = format!(".{ROOT} .wb-{name}");
            let is_own = |class: &String| {
                class == ROOT || class == &format!("wb-{name}") || class.starts_with(&format!("wb-{name}-"))
            };
            for selector in selectors(sheet) {
                if !selector.starts_with(&start) || !self.patterns.classes(selector).iter().all(is_own) {
                    problems.push(format!("{name}.css: `{selector}` is to have classes below `{start}` alone"));
                }
            }
        }
        let tokens = self.sheets.get(TOKENS).map(String::as_str).unwrap_or_default();
        let is_root = |selector: &&str| selector.split_whitespace().last() == Some(&format!(".{ROOT}"));
        let others = selectors(tokens).filter(|selector| !is_root(selector));
        problems.extend(others.map(|selector| format!("{TOKENS}.css: `{selector}` is more than `.{ROOT}`")));
        problems
    }

    /// Colours and typefaces outside the tokens.
    fn literals(&self) -> Vec<String> {
        let found = self.all_but_tokens().filter_map(|(name, sheet)| {
            Some(format!("{name}.css: `{}` belongs into {TOKENS}.css", self.patterns.literal.find(sheet)?.as_str()))
        });
        found.collect()
    }

    /// Properties that no token defines.
    fn properties(&self) -> Vec<String> {
        let tokens = self.sheets.get(TOKENS).map(String::as_str).unwrap_or_default();
        let is_known = |property: &str| {
            property.starts_with("--jp-")
                || OWN_PROPERTIES.contains(&property)
                || tokens.contains(&format!("{property}:"))
        };
        let used = self.sheets.iter().flat_map(|(name, sheet)| {
            self.patterns.property.captures_iter(sheet).map(move |found| (name, found[1].to_owned()))
        });
        used.filter(|(_, property)| !is_known(property))
            .map(|(name, property)| format!("{name}.css: `{property}` is defined nowhere"))
            .collect()
    }

    /// Rules for cells that JupyterLab's own override: `.jp-RenderedHTMLCommon :not(.jp-RenderedMarkdown).jp-… td` has two
    /// classes and an element.
    fn weak_cells(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for name in ["table", "array", "player"] {
            let sheet = self.sheets.get(name).map(String::as_str).unwrap_or_default();
            let cells = selectors(sheet).filter(|selector| self.patterns.cell.is_match(selector));
            let weak = cells.filter(|selector| selector.matches('.').count() < 3);
            problems.extend(weak.map(|selector| format!("{name}.css: `{selector}` needs three classes")));
        }
        problems
    }

    /// Classes without a rule, and rules without a use.
    fn uses(&self) -> Vec<String> {
        let defined: BTreeSet<String> = self.sheets.values().flat_map(|sheet| self.patterns.classes(sheet)).collect();
        let (mut used, mut problems) = (BTreeSet::new(), Vec::new());
        for (path, text) in &self.users {
            for found in self.patterns.mention.captures_iter(text) {
                let class = &found[1];
                if found.get(2).is_some() {
                    used.extend(defined.iter().filter(|defined| defined.starts_with(class)).cloned());
                } else if HOOKS.contains(&class) || defined.contains(class) {
                    used.insert(class.to_owned());
                } else {
                    problems.push(format!("{path}: no sheet has `.{class}`"));
                }
            }
        }
        problems.extend(defined.difference(&used).map(|class| format!("nothing has the class `{class}`")));
        problems
    }
}

/// The files of a folder with one of these extensions, by name.
fn texts(folder: &Path, extensions: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let say = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(say)? {
        let path = entry.map_err(say)?.path();
        let is_kept = path.extension().is_some_and(|own| extensions.iter().any(|extension| own == *extension));
        if let (true, Some(name)) = (is_kept, path.file_name()) {
            found.insert(name.to_string_lossy().into_owned(), fs::read_to_string(&path).map_err(say)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(sheets: &[(&str, &str)], user: &str) -> Vec<String> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let sheets = sheets.iter().map(owned).collect();
        let users = [("user.rs".to_owned(), user.to_owned())].into();
        Views { sheets, users, patterns: Patterns::new().expect("patterns") }.outcome().problems
    }

    #[test]
    fn a_sheet_keeps_to_its_own() {
        let tokens = ("tokens", ".wb-output { --wb-size: 12px; }");
        let fine = ("grid", ".wb-output .wb-grid-cell,\n.wb-output .wb-grid-cell b { font-size: var(--wb-size); }");
        assert_eq!(problems(&[tokens, fine], "div.wb-output div.wb-grid-cell"), Vec::<String>::new());
        for wrong in [
            "td { margin: 0; }",
            ".wb-output .wb-grid-cell .wb-table { margin: 0; }",
            ".wb-output .wb-grid-cell { color: #fff; }",
            ".wb-output .wb-grid-cell { color: var(--wb-unknown); }",
            ".wb-output .wb-grid-unused { margin: 0; }",
        ] {
            let found = problems(&[tokens, ("grid", wrong)], "div.wb-output div.wb-grid-cell");
            assert!(!found.is_empty(), "{wrong}");
        }
        assert_eq!(
            problems(&[tokens, fine], "div.wb-output div.wb-grid-cell.wb-grid-odd"),
            ["user.rs: no sheet has `.wb-grid-odd`"]
        );
    }
}
