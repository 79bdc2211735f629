//! Which programs and which iterations of a value are wanted.

use std::ops::Range;

use crate::magics::views::subject::Words;
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_ir::probe::PROGRAM_LEVELS;
use warpbook_ir::values::Definition;

/// One level: a program's coordinate, or the iteration of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(u32),
    /// All of them, along a dimension of their own.
    All,
}

/// What `--program` and `--iteration` say.
pub struct Selection {
    program: [Which; PROGRAM_LEVELS],
    iterations: Option<(Vec<Which>, Range<usize>)>,
    /// Where `--program` stands.
    pub span: Option<Range<usize>>,
}

impl Selection {
    /// Reads the options.
    pub fn of(words: &Words, cell: &str) -> Result<Self> {
        let numbers = |name: &str| -> Result<Option<(Vec<Which>, Range<usize>)>> {
            let Some(span) = words.option(name) else { return Ok(None) };
            let one = |part: &str| match part.trim() {
                "all" => Some(Which::All),
                number => number.parse().ok().map(Which::One),
            };
            match cell[span.clone()].split(',').map(one).collect() {
                Some(found) => Ok(Some((found, span))),
                None => {
                    let error = Diagnostic::error("option-value", format!("`{name}` takes numbers or `all`"));
                    Err(error.at(span, "").help(format!("`{name} 3,0`")))
                }
            }
        };
        let mut program = [Which::One(0); PROGRAM_LEVELS];
        let given = numbers("--program")?;
        if let Some((given, span)) = &given {
            if given.len() > PROGRAM_LEVELS {
                let error = Diagnostic::error("option-value", "a program has three coordinates");
                return Err(error.at(span.clone(), ""));
            }
            // `all` alone is every program.
            match given.as_slice() {
                [Which::All] => program = [Which::All; PROGRAM_LEVELS],
                given => program.iter_mut().zip(given).for_each(|(own, given)| *own = *given),
            }
        }
        Ok(Self { program, iterations: numbers("--iteration")?, span: given.map(|(_, span)| span) })
    }

    /// One program, with all iterations.
    pub fn one(program: [u32; PROGRAM_LEVELS]) -> Self {
        Self { program: program.map(Which::One), iterations: None, span: None }
    }

    /// What is wanted on each level of a value.
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
