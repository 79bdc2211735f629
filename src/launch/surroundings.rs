//! What the arguments of a header may name, and which of them only Python can evaluate.

use super::value::HeaderScope;
use crate::expression::{Expr, ExprKind, Scalar, Scope, evaluate};
use crate::workspace::Workspace;

/// What an argument may name, and the text that it stands in.
pub struct Surroundings<'a> {
    /// Buffers, scalars and the definitions of earlier cells.
    pub workspace: &'a Workspace,
    /// Keyword values before it.
    pub constants: &'a [(String, Scalar)],
    /// The text that the spans of the header are places in.
    pub text: &'a str,
    /// Names that the cell itself defines, where it is a cell of Python.
    pub own: &'a [String],
}

impl<'a> Surroundings<'a> {
    /// The names of the header.
    pub fn scope(&self) -> HeaderScope<'a> {
        HeaderScope { workspace: self.workspace, constants: self.constants }
    }

    /// True if a cell of Python defines this name: the argument's own, or an earlier one.
    pub fn defines(&self, name: &str) -> bool {
        self.own.iter().any(|own| own == name) || self.workspace.definitions.defines(name)
    }

    /// The text of an expression that only Python can evaluate, since it begins with Gluon's language, or with a name that a
    /// cell of Python defines: `gl.BlockedLayout([1], [32], [4], [0])`. `None` for any other expression.
    pub fn python(&self, expression: &Expr) -> Option<String> {
        let root = root(expression)?;
        let is_gluon = matches!(root, "gl" | "ttgl" | "gluon");
        let is_own = !matches!(expression.kind, ExprKind::Name(_)) && self.defines(root);
        // What the notebook knows by this name comes first; `gl.float16` is a type.
        let is_known = self.scope().name(root).is_some() || evaluate(expression, &self.scope()).is_ok();
        let text = self.text.get(expression.span.clone())?;
        ((is_gluon || is_own) && !is_known).then(|| text.to_owned())
    }
}

/// The name that an expression of attributes and calls begins with.
fn root(expression: &Expr) -> Option<&str> {
    match &expression.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(base, _) => root(base),
        ExprKind::Call { callee, .. } => root(callee),
        _ => None,
    }
}
