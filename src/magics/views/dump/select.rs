//! The selection of programs and iterations of a dumped value.

use std::ops::Range;

use crate::magics::declare::kinds::{List, values};
use crate::magics::declare::{Argument, Candidates, Input, Takes, Typed};
use crate::workspace::Workspace;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::probe::PROGRAM_LEVELS;
use warpbook_ir::values::Definition;

/// One level: a program's coordinate, or the iteration of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This number only.
    One(u32),
    /// All of them, along a dimension of their own.
    All,
}

/// A number, or `all`.
#[derive(Clone, Copy, Debug)]
pub struct WhichKind;

impl Takes for WhichKind {
    type Value = Which;

    fn placeholder(&self) -> String {
        "N|all".to_owned()
    }

    fn expected(&self) -> String {
        "numbers or `all`, such as 3,0".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Which> {
        match input.text {
            "all" => Ok(Which::All),
            number => number.parse().map(Which::One).map_err(|_| input.refuse(&self.expected())),
        }
    }

    fn candidates(&self, typed: &str, _: &Workspace) -> Candidates {
        Candidates::matching(typed, ["all"])
    }
}

pub const PROGRAM: Argument<List<WhichKind>> = Argument::option(
    "--program",
    List::new("X,Y,Z", WhichKind).between(1, PROGRAM_LEVELS),
    "the program whose values are taken, (0, 0, 0) by default; `all` takes every one",
);
pub const ITERATION: Argument<List<WhichKind>> = Argument::option(
    "--iteration",
    List::new("N", WhichKind),
    "the iteration of each loop around the value, outermost first; all by default",
);

/// The programs and iterations that `--program` and `--iteration` select.
pub struct Selection {
    program: [Which; PROGRAM_LEVELS],
    iterations: Option<(Vec<Which>, Range<usize>)>,
    /// Bytes of `--program` in the cell, if it is given.
    pub span: Option<Range<usize>>,
}

impl Selection {
    /// The selection of the given options.
    pub fn typed(typed: &Typed<'_>) -> Self {
        let mut program = [Which::One(0); PROGRAM_LEVELS];
        let given = typed.get(&PROGRAM).map(|levels| values(levels));
        match given.as_deref() {
            None => {}
            // `all` alone is every program.
            Some([Which::All]) => program = [Which::All; PROGRAM_LEVELS],
            Some(given) => program.iter_mut().zip(given).for_each(|(own, given)| *own = *given),
        }
        let iterations = typed.get(&ITERATION).map(|levels| (values(levels), typed.place(&ITERATION)));
        Self { program, iterations, span: typed.span(&PROGRAM) }
    }

    /// One program, with all iterations.
    pub fn single_program(program: [u32; PROGRAM_LEVELS]) -> Self {
        Self { program: program.map(Which::One), iterations: None, span: None }
    }

    /// The selection on each level of a value: the program's coordinates, then the loops from the outermost.
    pub fn levels(&self, definition: &Definition, grid: [u32; PROGRAM_LEVELS]) -> Result<Vec<Which>> {
        let mut levels = Vec::new();
        for (own, extent) in self.program.into_iter().zip(grid) {
            levels.push(match own {
                // A dimension of one program is none.
                Which::All if extent == 1 => Which::One(0),
                Which::One(number) if number >= extent => {
                    let error = Diagnostic::error("option-value", format!("the grid has no program {number}"));
                    let error = error.note(format!("it is {} × {} × {}", grid[0], grid[1], grid[2]));
                    return Err(match &self.span {
                        Some(span) => error.at(span.clone(), ""),
                        None => error,
                    });
                }
                other => other,
            });
        }
        let depth = definition.loops.len();
        match &self.iterations {
            None => levels.extend(std::iter::repeat_n(Which::All, depth)),
            Some((given, _)) if given.len() == depth => levels.extend(given),
            Some((_, span)) => {
                let loops: Vec<&str> = definition.loops.iter().map(|own| own.index.as_str()).collect();
                let message = match depth {
                    0 => format!("`{}` is in no loop", definition.name),
                    _ => format!("`{}` is in {depth} loop(s): {}", definition.name, loops.join(", ")),
                };
                return Err(Diagnostic::error("option-value", message).at(span.clone(), ""));
            }
        }
        Ok(levels)
    }
}

/// `program (0, 1, 0), iteration 3`
pub fn words(levels: &[Which]) -> String {
    let one = |which: &Which| match which {
        Which::One(number) => number.to_string(),
        Which::All => "all".to_owned(),
    };
    let (program, loops) = levels.split_at(PROGRAM_LEVELS.min(levels.len()));
    let program: Vec<String> = program.iter().map(one).collect();
    let mut text = format!("program ({})", program.join(", "));
    let loops: Vec<String> = loops.iter().map(one).collect();
    match loops.as_slice() {
        [] => {}
        loops if loops.iter().all(|own| own == "all") => text += ", all iterations",
        loops => text += &format!(", iteration {}", loops.join(", ")),
    }
    text
}
