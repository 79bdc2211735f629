//! Variables of the kernel's Python as values of its IR: by the lines that assign them, and where the IR's operations
//! say that they come from.

use super::dumped_value::is_identifier;
use crate::magics::views::line_links::python_origin;
use crate::magics::views::subject::Subject;
use warpbook_compiler::{Artifact, Stage};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_ir::mlir;
use warpbook_ir::places;
use warpbook_ir::values::{Definition, Obstacle};

/// A variable to dump, as the cell names it: `acc`, or `acc:11` for the value that line 11 assigns.
pub struct Variable<'a> {
    pub name: &'a str,
    pub line: Option<u32>,
}

/// What a variable is in the IR.
#[derive(Debug)]
pub struct VariableValue {
    pub definition: Definition,
    /// What the reader should know of the choice.
    pub note: Option<String>,
}

impl<'a> Variable<'a> {
    /// Reads `acc` or `acc:11`; `None` for what is neither.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, line) = match text.split_once(':') {
            Some((name, line)) => (name, Some(line.parse().ok()?)),
            None => (text, None),
        };
        is_identifier(name).then_some(Self { name, line })
    }

    /// Finds it. `definitions` are those of the stage's text without its locations.
    pub fn find(&self, subject: &Subject, stage: Stage, definitions: &[Definition]) -> Result<VariableValue> {
        let version = &subject.version;
        let text_of = |stage| version.artifact(stage).and_then(Artifact::text);
        let python = [Stage::Triton, Stage::Gluon].into_iter().find_map(text_of);
        let (Some(python), Some(ir)) = (python, text_of(stage)) else {
            let error = Diagnostic::error("unknown-value", format!("{} has no Python", subject.headline()));
            return Err(error.help("values of IR begin with `%`: `%stages` shows them"));
        };
        let assignments = assignments(python);
        let own: Vec<&Assignment> = assignments.iter().filter(|one| one.names.iter().any(|n| n == self.name)).collect();
        if let (true, Some(binding)) = (own.is_empty(), &version.binding)
            && let Some(position) = binding.params.iter().position(|param| param.name == self.name)
        {
            return parameter(ir, binding.params.len(), position, definitions, self.name);
        }
        if own.is_empty() {
            let error = Diagnostic::error("unknown-value", format!("the kernel assigns no `{}`", self.name));
            let known = assignments.iter().flat_map(|one| one.names.iter().map(String::as_str));
            return Err(match nearest(self.name, known) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("a variable of the kernel's Python, or a value of its IR: `%27`"),
            });
        }
        let lines = Lines::new(python, ir);
        let mut found: Vec<(u32, Definition)> = Vec::new();
        for one in own.iter().filter(|one| self.line.is_none_or(|line| one.lines.contains(&line))) {
            found.extend(lines.value(one, self.name, definitions).map(|definition| (*one.lines.start(), definition)));
        }
        let Some((line, definition)) = found.pop() else {
            let at: Vec<String> = own.iter().map(|one| one.lines.start().to_string()).collect();
            let message = format!("`{}` was not found among the values of the {stage}", self.name);
            let error = Diagnostic::error("unknown-value", message).note(format!("assigned at line {}", at.join(", ")));
            let error = error
                .note("the compiler folded it away, or it is assigned together with others, or its location was lost");
            return Err(error.help("`%stages` shows the values that a line became: `%27`"));
        };
        let mut note = format!("{} is {} of the {stage}, assigned at line {line}", self.name, definition.name);
        if !found.is_empty() {
            let others: Vec<String> = found.iter().map(|(line, _)| format!("`{}:{line}`", self.name)).collect();
            note += &format!("; at other lines: {}", others.join(", "));
        }
        Ok(VariableValue { definition, note: Some(note) })
    }
}

/// The value of the IR that is a parameter of the kernel.
fn parameter(ir: &str, count: usize, position: usize, definitions: &[Definition], name: &str) -> Result<VariableValue> {
    let function = mlir::functions(ir).into_iter().find(|function| !function.is_private);
    let arguments = function.map(|function| function.arguments).filter(|arguments| arguments.len() == count);
    let argument = arguments.and_then(|arguments| arguments.into_iter().nth(position));
    let own = argument.map(|argument| format!("%{}", argument.name));
    let is_it = |one: &&Definition| Some(&one.name) == own.as_ref() && one.obstacle.is_none();
    match definitions.iter().find(is_it) {
        Some(definition) => Ok(VariableValue { definition: definition.clone(), note: None }),
        None => {
            let error =
                Diagnostic::error("unknown-value", format!("the parameter `{name}` is not one value of the IR"));
            Err(error.help("`%stages` shows what it became"))
        }
    }
}

/// A statement that gives names their values.
#[derive(Debug, PartialEq, Eq)]
struct Assignment {
    /// Names that are assigned, in order.
    names: Vec<String>,
    /// The lines of the statement, from 1.
    lines: std::ops::RangeInclusive<u32>,
    /// `for NAME in`.
    is_loop: bool,
}

/// The statements of a text that assign names: `a = …`, `a += …`, `a: T = …`, `a, b = …`, `for a in …`.
fn assignments(python: &str) -> Vec<Assignment> {
    let all: Vec<&str> = python.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = all.get(at) {
        let first = at;
        let mut depth = depth_after(line, 0);
        at += 1;
        while depth > 0
            && let Some(next) = all.get(at)
        {
            depth = depth_after(next, depth);
            at += 1;
        }
        let code = line.trim();
        let (targets, is_loop) = match code.strip_prefix("for ").and_then(|rest| rest.split_once(" in ")) {
            Some((targets, _)) => (targets, true),
            None => (target_of(code).unwrap_or_default(), false),
        };
        let names = targets.trim_matches(['(', ')']).split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        if !names.is_empty() && names.iter().all(|name| is_identifier(name)) {
            // The body of a loop is no part of it.
            let last = if is_loop { first + 1 } else { at };
            found.push(Assignment { names, lines: first as u32 + 1..=last as u32, is_loop });
        }
    }
    found
}

/// The left side of an assignment.
fn target_of(code: &str) -> Option<&str> {
    let mut depth = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '#' | '"' | '\'' => return None,
            '=' if depth == 0 => {
                if code[at + 1..].starts_with('=') || code[..at].ends_with(['=', '!', '<', '>']) {
                    // `<<=` and `>>=` assign, `<=` compares.
                    let shift = code[..at].ends_with("<<") || code[..at].ends_with(">>");
                    if !shift {
                        return None;
                    }
                }
                let left = code[..at].trim_end_matches(['+', '-', '*', '/', '%', '&', '|', '^', '@', '<', '>']);
                return Some(left.split(':').next().unwrap_or(left).trim());
            }
            _ => {}
        }
    }
    None
}

/// How many brackets are open after a line. Strings are not looked into: kernels rarely have brackets in them.
fn depth_after(line: &str, before: usize) -> usize {
    let code = line.split('#').next().unwrap_or(line);
    code.chars().fold(before, |depth, c| match c {
        '(' | '[' | '{' => depth + 1,
        ')' | ']' | '}' => depth.saturating_sub(1),
        _ => depth,
    })
}

/// Where the lines of an IR's text come from.
struct Lines {
    /// For each line of the text without locations the lines of the kernel's Python.
    python: Vec<Vec<u32>>,
}

impl Lines {
    fn new(python: &str, ir: &str) -> Self {
        let origins = places::read_mlir(ir);
        let (file, offset) = python_origin(python, ir, &origins);
        let kept = ir.lines().zip(&origins).filter(|(line, _)| !(line.starts_with("#loc") && line.contains("= loc(")));
        let own = kept.map(|(_, places)| {
            let places = places.iter().filter(|place| place.file == file);
            places.filter_map(|place| u32::try_from(i64::from(place.line) - offset).ok()).collect()
        });
        Self { python: own.collect() }
    }

    /// The value that an assignment gives a name: the last one that its lines made.
    fn value(&self, assignment: &Assignment, name: &str, definitions: &[Definition]) -> Option<Definition> {
        let comes_from =
            |line: usize| self.python.get(line).into_iter().flatten().any(|line| assignment.lines.contains(line));
        let is_inside = |one: &Definition| matches!(one.obstacle, Some(Obstacle::Region(_) | Obstacle::Function(_)));
        let all = || definitions.iter().filter(|one| comes_from(one.line) && !is_inside(one));
        if assignment.is_loop {
            let is_index = |one: &&Definition| one.loops.last().is_some_and(|own| own.index == one.name);
            return all().find(is_index).cloned();
        }
        let last = all().map(|one| one.line).max()?;
        let mut results = all().filter(|one| one.line == last);
        let position = assignment.names.iter().position(|own| own == name)?;
        match results.clone().count() {
            // One operation that makes all of them.
            count if count == assignment.names.len() => results.nth(position).cloned(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_ir::{locations, values};

    const PYTHON: &str = "@triton.jit\ndef k(x_ptr, n):\n    rows, k = f(0), f(1)\n    acc: tl.tensor = g(\n        1,\n    )\n    \
                          for start in range(0, n):\n        acc += h(acc)\n        lo, hi = tl.split(acc)\n    if acc == 1:\n        a[0] = 2\n";

    #[test]
    fn assignments_of_a_kernel() {
        let found: Vec<_> = assignments(PYTHON).into_iter().map(|one| (one.names.join(" "), one.lines)).collect();
        let expected = [("rows k", 3..=3), ("acc", 4..=6), ("start", 7..=7), ("acc", 8..=8), ("lo hi", 9..=9)];
        assert_eq!(found, expected.map(|(names, lines)| (names.to_owned(), lines)));
    }

    #[test]
    fn values_of_assignments() {
        let ir = r##"#loc = loc("k.py":12:0)
module {
  tt.func public @k(%arg0: i32 loc("k.py":12:0)) {
    %0 = g.g : i32 loc(#loc1)
    %1 = scf.for %arg1 = %a to %b step %c iter_args(%arg2 = %0) -> (i32)  : i32 {
      %2 = h.h %arg2 : i32 loc(#loc3)
      %3 = arith.addi %2, %arg2 : i32 loc(#loc3)
      %lo, %hi = tt.split %3 : i32 loc(#loc4)
      scf.yield %3 : i32 loc(#loc3)
    } loc(#loc2)
    tt.return loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("k.py":14:8)
#loc2 = loc("k.py":17:8)
#loc3 = loc("k.py":18:8)
#loc4 = loc("k.py":19:8)
"##;
        let definitions = values::definitions(&locations::remove(ir), "k");
        let lines = Lines::new(PYTHON, ir);
        let value = |name: &str| -> Vec<String> {
            let own = assignments(PYTHON).into_iter().filter(|one| one.names.iter().any(|own| own == name));
            own.filter_map(|one| Some(lines.value(&one, name, &definitions)?.name)).collect()
        };
        assert_eq!(value("acc"), ["%0", "%3"]);
        assert_eq!((value("start"), value("hi"), value("rows")), (vec!["%arg1".into()], vec!["%hi".into()], vec![]));
    }

    #[test]
    fn variables_are_read() {
        let read = |text| Variable::parse(text).map(|own| (own.name, own.line));
        assert_eq!(read("acc:11"), Some(("acc", Some(11))));
        assert_eq!((read("acc"), read("acc:x"), read("%3"), read("")), (Some(("acc", None)), None, None, None));
    }
}
