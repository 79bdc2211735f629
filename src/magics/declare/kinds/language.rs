//! Values with a grammar of their own: expressions, assignments, launches.

use std::ops::Range;

use crate::expression::Scope;
use crate::expression::{self, Expr, LaunchHeader, Parser, parse_launch};
use crate::magics::declare::argument::{Candidates, Extent, Input, Takes};
use crate::workspace::Workspace;
use warpbook_device::Dtype;
use warpbook_diagnostic::{Diagnostic, Result};

/// Names that complete the identifier which a text ends with.
fn identifiers(typed: &str, names: impl IntoIterator<Item = String>) -> Candidates {
    let is_letter = |c: char| c == '_' || c.is_alphanumeric();
    let length: usize = typed.chars().rev().take_while(|&c| is_letter(c)).map(char::len_utf8).sum();
    let kept = typed.len() - length;
    Candidates { kept, ..Candidates::matching(&typed[kept..], names) }
}

/// An expression. What its names mean is up to the magic.
#[derive(Clone, Copy)]
pub struct Expression {
    /// Stands for the expression in usage lines.
    pub placeholder: &'static str,
    /// Functions and other names that complete it, besides the names of the session.
    pub names: fn() -> Vec<String>,
}

impl Takes for Expression {
    type Value = Expr;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        "an expression".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Expr> {
        expression::parse(input.cell, input.span.clone())
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        identifiers(typed, workspace.scope().names().into_iter().chain((self.names)()))
    }
}

/// A name and the expression that it is to stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The name that is assigned to.
    pub name: String,
    /// Bytes of the name.
    pub span: Range<usize>,
    /// The expression that the name stands for.
    pub value: Expr,
}

/// Assignments with commas between them: `M = 512, N = 2 * M`.
#[derive(Clone, Copy)]
pub struct Assignments {
    /// Stands for the assignments in usage lines.
    pub placeholder: &'static str,
    /// The number of assignments at most.
    pub most: usize,
    /// Names that complete it, as [`Expression::names`].
    pub names: fn() -> Vec<String>,
}

impl Takes for Assignments {
    type Value = Vec<Assignment>;

    fn placeholder(&self) -> String {
        self.placeholder.to_owned()
    }

    fn expected(&self) -> String {
        "a name, `=` and an expression".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Vec<Assignment>> {
        let mut parser = Parser::new(input.cell, input.span.clone())?;
        let mut found = Vec::new();
        loop {
            let Some((name, span)) = parser.name() else { return Err(parser.unexpected("a name")) };
            new_name(&name, &span)?;
            parser.expect("=")?;
            let value = parser.expression()?;
            found.push(Assignment { name, span, value });
            if found.len() == self.most || parser.at_end() {
                parser.end()?;
                return Ok(found);
            }
            parser.expect(",")?;
        }
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        // A new name is the reader's own to choose.
        if !typed.contains('=') {
            return Candidates::default();
        }
        identifiers(typed, workspace.scope().names().into_iter().chain((self.names)()))
    }
}

/// Refuses a name that means something else in expressions.
///
/// # Errors
/// The name belongs to a data type or a constant.
pub fn new_name(name: &str, span: &Range<usize>) -> Result<()> {
    if Dtype::parse(name).is_none() && !matches!(name, "tl" | "inf" | "nan") {
        return Ok(());
    }
    let error = Diagnostic::error("reserved-name", format!("`{name}` means something else in expressions"));
    Err(error.at(span.clone(), "choose another name"))
}

/// A launch as Triton users write it: `matmul[2, 4](a, b, c, BM=64)`, each part optional.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// True if a version may be named: `matmul@2[2, 4](…)`.
    pub versions: bool,
    /// Keywords that complete the arguments: options of the compiler.
    pub keywords: &'static [&'static str],
}

impl Takes for Launch {
    type Value = LaunchHeader;

    fn placeholder(&self) -> String {
        if self.versions { "[KERNEL[@VERSION]][GRID](ARGUMENTS)" } else { "[NAME][GRID](ARGUMENTS)" }.to_owned()
    }

    fn expected(&self) -> String {
        "a launch: NAME[GRID](ARGUMENTS)".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<LaunchHeader> {
        let header = parse_launch(input.cell, input.span.clone())?;
        match &header.version {
            Some((_, span)) if !self.versions => {
                let error = Diagnostic::error("unexpected-version", "this cell makes a new version of the kernel");
                let error = error.at(span.start - 1..span.end, "");
                Err(error.help("`%launch KERNEL@VERSION` launches an older one"))
            }
            _ => Ok(header),
        }
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let kernels = workspace.kernels.names().map(str::to_owned);
        let is_name = !typed.contains(['[', '(']);
        let keywords = self.keywords.iter().map(|keyword| format!("{keyword}=")).filter(|_| typed.contains('('));
        let names = workspace.scope().names().into_iter().filter(|_| !is_name);
        identifiers(typed, names.chain(keywords).chain(kernels))
    }
}
