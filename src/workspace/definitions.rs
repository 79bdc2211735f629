//! Python that earlier cells defined: what later `%%triton` and `%%gluon` cells may use.

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
}

impl Definitions {
    /// Remembers a cell; returns the names that it defines, in order.
    pub fn define(&mut self, stage: Stage, text: &str) -> Vec<String> {
        let names = names_of(text);
        self.cells.retain(|cell| cell.stage != stage || !is_replaced(cell, &names));
        self.cells.push(Cell { stage, text: text.into(), names: names.clone() });
        names
    }

    /// Definitions that a cell with `text` may use: all of its stage, except those that the cell makes itself.
    pub fn visible(&self, stage: Stage, text: &str) -> Vec<Definition> {
        let names = names_of(text);
        let mine = self.cells.iter().filter(|cell| cell.stage == stage && !is_replaced(cell, &names));
        mine.map(|cell| Definition { path: cell.path(), text: Arc::clone(&cell.text) }).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(definitions.visible(Stage::Triton, "def k(): pass").len(), 2);
        assert_eq!(definitions.visible(Stage::Triton, "def other(): pass").len(), 1);
        assert_eq!(definitions.visible(Stage::Gluon, "def k(): pass").len(), 0);
        definitions.define(Stage::Triton, HELPERS);
        let paths: Vec<String> =
            definitions.visible(Stage::Triton, "").into_iter().map(|definition| definition.path).collect();
        assert_eq!(paths, ["other.py", "BLOCK.py"]);
        assert!(definitions.defines("scale") && !definitions.defines("y"));
    }
}
