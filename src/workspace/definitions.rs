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
    names: Vec<String>,
    parts: Vec<Part>,
}

/// A statement of a cell; all of a cell of which nobody can say what it does.
#[derive(Clone, Debug)]
struct Part {
    text: Arc<str>,
    /// The path that the IR names it by.
    path: String,
    /// All names that it binds; `None` if it may bind others, or does something else.
    binds: Option<Vec<String>>,
}

impl Part {
    fn new(text: &str) -> Self {
        let binds = bindings(text);
        let names = names_of(text);
        let name = names.first().or_else(|| binds.iter().flatten().next()).map_or("cell", String::as_str);
        Self { text: text.into(), path: format!("{name}.py"), binds }
    }
}

impl Definitions {
    /// Remembers a cell; returns the names that it defines, in order.
    pub fn define(&mut self, stage: Stage, text: &str) -> Vec<String> {
        let names = names_of(text);
        let place = self.place_of(stage, text, &names);
        let after = self.cells.split_off(place.map_or(self.cells.len(), |place| place + 1));
        self.cells.retain(|cell| cell.stage != stage || !is_replaced(cell, &names));
        // A statement about the others (`from __future__ import …`) stays with them.
        let is_known = bindings(text).is_some() && !text.contains("__future__");
        let parts = if is_known { statements(text) } else { vec![text] };
        let parts = parts.into_iter().map(Part::new).collect();
        self.cells.push(Cell { stage, names: names.clone(), parts });
        self.cells.extend(after.into_iter().filter(|cell| cell.stage != stage || !is_replaced(cell, &names)));
        names
    }

    /// Where the cell stands that defined the very same names; `None` if the text reads what cells behind it bind. What stays
    /// in its place changes no other cell.
    fn place_of(&self, stage: Stage, text: &str, names: &[String]) -> Option<usize> {
        let place =
            self.cells.iter().position(|cell| cell.stage == stage && cell.names == names && !names.is_empty())?;
        let words: HashSet<&str> = words(text).collect();
        let behind = self.cells[place + 1..].iter().filter(|cell| cell.stage == stage).flat_map(|cell| &cell.parts);
        let reads = |part: &Part| {
            part.binds.as_ref().is_none_or(|binds| binds.iter().any(|name| words.contains(name.as_str())))
        };
        (!behind.into_iter().any(reads)).then_some(place)
    }

    /// Definitions that a cell may use whose body is `text` and which is `cell` as a whole, with the launch above the
    /// body: the statements of cells of its stage that it reaches by a name, itself or through others, except cells that
    /// it makes itself. A cell of which nobody can say what it does is always among them.
    /// A change of what is not reached thus changes no compilation.
    pub fn visible(&self, stage: Stage, text: &str, cell: &str) -> Vec<Definition> {
        let names = names_of(text);
        let cells = self.cells.iter().filter(|cell| cell.stage == stage && !is_replaced(cell, &names));
        let mine: Vec<&Part> = cells.flat_map(|cell| &cell.parts).collect();
        let mut is_reached = vec![false; mine.len()];
        let mut words: HashSet<&str> = words(cell).collect();
        loop {
            let reached = mine.iter().zip(&is_reached).position(|(part, is_reached)| {
                let is_named = |binds: &Vec<String>| binds.iter().any(|name| words.contains(name.as_str()));
                !is_reached && part.binds.as_ref().is_none_or(is_named)
            });
            let Some(reached) = reached else { break };
            is_reached[reached] = true;
            words.extend(self::words(&mine[reached].text));
        }
        let reached = mine.iter().zip(is_reached).filter(|(_, is_reached)| *is_reached);
        reached.map(|(part, _)| Definition { path: part.path.clone(), text: Arc::clone(&part.text) }).collect()
    }

    /// The text of the statement that the IR names by a path.
    pub fn text(&self, path: &str) -> Option<Arc<str>> {
        let parts = self.cells.iter().flat_map(|cell| &cell.parts).rev();
        parts.into_iter().find(|part| part.path == path).map(|part| Arc::clone(&part.text))
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

/// The statements at the top level of a text that binds names and does nothing else, each with the comments and decorators
/// above it and the blank lines below it. They are the text, one after another.
fn statements(text: &str) -> Vec<&str> {
    let (mut starts, mut at, mut within) = (Vec::new(), 0, Within::default());
    // A statement begins with what stands above it.
    let mut above = None;
    for line in text.split_inclusive('\n') {
        let is_top = within.is_nothing() && !line.starts_with([' ', '\t', ')', ']', '}']) && !line.trim().is_empty();
        if is_top && line.starts_with(['#', '@']) {
            above = above.or(Some(at));
        } else if is_top {
            starts.push(above.take().unwrap_or(at));
        }
        within.pass(line);
        at += line.len();
    }
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &text[start..end]).collect()
}

/// What a line of Python begins in the middle of.
#[derive(Default)]
struct Within {
    /// Brackets that are open.
    brackets: usize,
    /// The quotes that end a string of several lines.
    string: Option<&'static str>,
    /// True if the line before ends in a backslash.
    is_continued: bool,
}

impl Within {
    fn is_nothing(&self) -> bool {
        self.brackets == 0 && self.string.is_none() && !self.is_continued
    }

    /// Goes through a line.
    fn pass(&mut self, line: &str) {
        let mut rest = line;
        self.is_continued = line.trim_end_matches(['\n', '\r']).ends_with('\\');
        while let Some(first) = rest.chars().next() {
            if let Some(quotes) = self.string {
                if rest.starts_with(quotes) {
                    self.string = None;
                    rest = &rest[quotes.len()..];
                } else {
                    let escaped = if first == '\\' { rest.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
                    rest = &rest[first.len_utf8() + escaped..];
                }
                continue;
            }
            let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| rest.starts_with(quotes));
            match (quotes, first) {
                (Some(quotes), _) => {
                    self.string = Some(quotes);
                    rest = &rest[quotes.len()..];
                    continue;
                }
                (None, '#') => break,
                (None, '(' | '[' | '{') => self.brackets += 1,
                (None, ')' | ']' | '}') => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            rest = &rest[first.len_utf8()..];
        }
        // A string in single quotes ends with its line, unless that is continued.
        if self.string.is_some_and(|quotes| quotes.len() == 1) && !self.is_continued {
            self.string = None;
        }
    }
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
        assert_eq!(visible(&definitions, "def k(x): return twice(x)"), ["LIMIT.py", "scale.py", "twice.py"]);
        assert_eq!(visible(&definitions, "def k(x): return squash(x)"), ["squash.py"]);
        assert_eq!(visible(&definitions, "def k(x): return math.pi"), ["math.py"]);
        // An edit of what is not reached changes nothing; an edit of what is reached does.
        let request = |definitions: &Definitions| {
            definitions.visible(Stage::Triton, "def k(x): return twice(x)", "def k(x): return twice(x)")
        };
        let before = request(&definitions);
        definitions.define(Stage::Triton, "@triton.jit\ndef other(x):\n    return x + 1\n");
        assert_eq!(request(&definitions), before);
        // So it is within one cell: nothing here reads `sigmoid`, and `scale` reads `LIMIT`.
        definitions.define(Stage::Triton, &helpers.replace("sigmoid as squash", "sigmoid as squash,\n    tanh"));
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
    fn statements_are_told_apart_and_are_the_whole_text() {
        let text = "\n# a comment\nA = (1,\n2)\nB = '''x\n# no comment \\'''\nC = 1\n''' # \"\n@decorator(\n)\n# between\n@other\n\
                    def f(x=\"#(\"):\n    y = x\n\n    return y\n\nimport a, \\\nb\nD: tl.constexpr = {\n'a': 1,\n}\n# the end\n";
        let found = statements(text);
        assert_eq!(found.concat(), text);
        let firsts: Vec<&str> = found.iter().map(|part| part.trim_start().lines().next().unwrap_or_default()).collect();
        assert_eq!(firsts, ["# a comment", "B = '''x", "@decorator(", "import a, \\", "D: tl.constexpr = {"]);
        assert_eq!(statements(""), [""; 0]);
    }

    #[test]
    fn a_cell_that_reads_what_comes_later_goes_behind_it() {
        let mut definitions = Definitions::default();
        definitions.define(Stage::Triton, "A = 1\n");
        definitions.define(Stage::Triton, "B = 2\n");
        let order = |definitions: &Definitions| -> Vec<String> {
            let visible = definitions.visible(Stage::Triton, "A + B", "A + B");
            visible.into_iter().map(|definition| definition.text.to_string()).collect()
        };
        definitions.define(Stage::Triton, "A = 3\n");
        assert_eq!(order(&definitions), ["A = 3\n", "B = 2\n"]);
        definitions.define(Stage::Triton, "A = B + 1\n");
        assert_eq!(order(&definitions), ["B = 2\n", "A = B + 1\n"]);
    }

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
        assert_eq!(
            definitions.text("scale.py").as_deref(),
            Some("@triton.jit\ndef scale(x):\n    y = x\n    return y\n")
        );
        assert_eq!(definitions.visible(Stage::Gluon, "def k(): scale(other())", "def k(): scale(other())").len(), 0);
        definitions.define(Stage::Triton, HELPERS);
        let paths: Vec<String> = definitions
            .visible(Stage::Triton, "scale, other", "scale, other")
            .into_iter()
            .map(|definition| definition.path)
            .collect();
        assert_eq!(paths, ["scale.py", "other.py"]);
        assert!(definitions.defines("scale") && !definitions.defines("y"));
    }
}
