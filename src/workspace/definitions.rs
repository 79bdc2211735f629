//! Python that earlier cells defined: what later `%%triton` and `%%gluon` cells may use.

use std::collections::HashSet;
use std::sync::Arc;

use warpbook_compiler::{Definition, Stage};

/// The cells that defined something, oldest first. A cell that defines the same names again takes its place.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
struct Cell {
    stage: Stage,
    text: Arc<str>,
    names: Vec<String>,
    /// All names that its text binds; `None` if it may bind others, or does something else.
    binds: Option<Vec<String>>,
}

impl Definitions {
    /// Remembers a cell; returns the names that it defines, in order.
    pub fn define(&mut self, stage: Stage, text: &str) -> Vec<String> {
        let names = names_of(text);
        self.cells.retain(|cell| cell.stage != stage || !is_replaced(cell, &names));
        self.cells.push(Cell { stage, text: text.into(), names: names.clone(), binds: bindings(text) });
        names
    }

    /// Definitions that a cell may use whose body is `text` and which is `cell` as a whole, with the launch above the
    /// body: those of its stage that it reaches by a name, itself or through others, except those that it makes itself. A cell of which nobody can say what it does is always among them.
    /// A change of what is not reached thus changes no compilation.
    pub fn visible(&self, stage: Stage, text: &str, cell: &str) -> Vec<Definition> {
        let names = names_of(text);
        let mine: Vec<&Cell> =
            self.cells.iter().filter(|cell| cell.stage == stage && !is_replaced(cell, &names)).collect();
        let mut is_reached = vec![false; mine.len()];
        let mut words: HashSet<&str> = words(cell).collect();
        loop {
            let reached = mine.iter().zip(&is_reached).position(|(cell, is_reached)| {
                let is_named = |binds: &Vec<String>| binds.iter().any(|name| words.contains(name.as_str()));
                !is_reached && cell.binds.as_ref().is_none_or(is_named)
            });
            let Some(reached) = reached else { break };
            is_reached[reached] = true;
            words.extend(self::words(&mine[reached].text));
        }
        let reached = mine.iter().zip(is_reached).filter(|(_, is_reached)| *is_reached);
        reached.map(|(cell, _)| Definition { path: cell.path(), text: Arc::clone(&cell.text) }).collect()
    }

    /// The text of the cell that the IR names by a path.
    pub fn text(&self, path: &str) -> Option<Arc<str>> {
        self.cells.iter().rev().find(|cell| cell.path() == path).map(|cell| Arc::clone(&cell.text))
    }

    /// True if a cell of the session defined this name.
    pub fn defines(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// Every name that was defined.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().flat_map(|cell| cell.names.iter().map(String::as_str))
    }
}

impl Cell {
    /// The path that the IR names it by.
    fn path(&self) -> String {
        format!("{}.py", self.names.first().map_or("cell", String::as_str))
    }
}

/// True if everything that a cell defined is defined again by a later one.
fn is_replaced(cell: &Cell, names: &[String]) -> bool {
    !cell.names.is_empty() && cell.names.iter().all(|name| names.contains(name))
}

/// Names that Python text binds at its top level by `def`, `class` or an assignment, in order.
pub fn names_of(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let rest = line.strip_prefix("async ").unwrap_or(line);
        let rest = rest.strip_prefix("def ").or_else(|| rest.strip_prefix("class "));
        let is_statement = rest.is_some();
        let rest = rest.unwrap_or(line);
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let after = after.trim_start();
        let is_assignment = (after.starts_with('=') && !after.starts_with("==")) || after.starts_with(':');
        let is_name = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
        let is_keyword = matches!(name, "else" | "try" | "finally" | "except" | "lambda");
        if is_name && !is_keyword && (is_statement || is_assignment) && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Words of a Python text that could be names: in comments and strings too, since a string may name what it looks up.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// All names that a text binds at its top level; `None` where a line is none of those that are known to bind names and
/// do nothing else.
fn bindings(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let is_continued = line.is_empty() || line.starts_with([' ', '\t', '#', '@', ')', ']', '}']);
        if is_continued {
            continue;
        }
        if let Some(imported) = line.strip_prefix("import ").or_else(|| line.strip_prefix("from ")) {
            let mut listed = match imported.split_once(" import ") {
                Some((_, listed)) => listed.to_owned(),
                None if line.starts_with("import ") => imported.to_owned(),
                None => return None,
            };
            while listed.contains('(') && !listed.contains(')') {
                listed.push_str(lines.next()?);
            }
            let listed = listed.split('#').next().unwrap_or_default().replace(['(', ')'], " ");
            for item in listed.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                let bound =
                    item.split_once(" as ").map_or_else(|| item.split('.').next().unwrap_or(item), |(_, name)| name);
                if bound == "*" || bound.contains(['\\', ';']) {
                    return None;
                }
                names.push(bound.trim().to_owned());
            }
            continue;
        }
        let defined = names_of(line);
        // A second statement behind a semicolon binds what nobody looks for.
        if defined.len() != 1 || line.contains(';') {
            return None;
        }
        names.extend(defined);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_kernel_reaches_is_visible() {
        let mut definitions = Definitions::default();
        let helpers = "import math\nfrom triton.language import (\n    sigmoid as squash,\n    exp,\n)\nLIMIT = 3\n\n\
                       @triton.jit\ndef scale(x):\n    return x * LIMIT\n";
        definitions.define(Stage::Triton, helpers);
        definitions.define(Stage::Triton, "@triton.jit\ndef twice(x):\n    return scale(scale(x))\n");
        definitions.define(Stage::Triton, "@triton.jit\ndef other(x):\n    return x\n");
        let visible = |definitions: &Definitions, text: &str| -> Vec<String> {
            let found = definitions.visible(Stage::Triton, text, text).into_iter();
            found.map(|definition| definition.path).collect()
        };
        assert_eq!(visible(&definitions, "def k(x): return x"), [""; 0]);
        assert_eq!(visible(&definitions, "def k(x): return twice(x)"), ["LIMIT.py", "twice.py"]);
        assert_eq!(visible(&definitions, "def k(x): return squash(x)"), ["LIMIT.py"]);
        assert_eq!(visible(&definitions, "def k(x): return math.pi"), ["LIMIT.py"]);
        // An edit of what is not reached changes nothing; an edit of what is reached does.
        let request = |definitions: &Definitions| {
            definitions.visible(Stage::Triton, "def k(x): return twice(x)", "def k(x): return twice(x)")
        };
        let before = request(&definitions);
        definitions.define(Stage::Triton, "@triton.jit\ndef other(x):\n    return x + 1\n");
        assert_eq!(request(&definitions), before);
        definitions.define(Stage::Triton, &helpers.replace("LIMIT = 3", "LIMIT = 4"));
        assert_ne!(request(&definitions), before);
        // What may do anything is always there.
        for anything in ["print(1)", "a, b = 1, 2", "for i in range(3):\n    globals()[f'n{i}'] = i", "from m import *"]
        {
            let mut definitions = definitions.clone();
            definitions.define(Stage::Triton, anything);
            assert_eq!(visible(&definitions, "def k(x): return x").len(), 1, "{anything}");
        }
    }

    const HELPERS: &str = "BLOCK: tl.constexpr = 4\nLIMIT = 3\n\n@triton.jit\ndef scale(x):\n    y = x\n    return y\n";

    #[test]
    fn top_level_names_only() {
        assert_eq!(names_of(HELPERS), ["BLOCK", "LIMIT", "scale"]);
        assert_eq!(names_of("class A:\n  b = 1\nx == 1\ntry:\n  pass\nelse:\n  pass\nx.y = 1\n"), ["A"]);
    }

    #[test]
    fn a_cell_that_defines_the_same_again_takes_its_place() {
        let mut definitions = Definitions::default();
        definitions.define(Stage::Triton, HELPERS);
        definitions.define(Stage::Triton, "def other(): pass\n");
        assert_eq!(definitions.visible(Stage::Triton, "def k(): scale(other())", "def k(): scale(other())").len(), 2);
        assert_eq!(definitions.visible(Stage::Triton, "def other(): scale()", "def other(): scale()").len(), 1);
        assert_eq!(definitions.visible(Stage::Gluon, "def k(): scale(other())", "def k(): scale(other())").len(), 0);
        definitions.define(Stage::Triton, HELPERS);
        let paths: Vec<String> = definitions
            .visible(Stage::Triton, "scale, other", "scale, other")
            .into_iter()
            .map(|definition| definition.path)
            .collect();
        assert_eq!(paths, ["other.py", "BLOCK.py"]);
        assert!(definitions.defines("scale") && !definitions.defines("y"));
    }
}
