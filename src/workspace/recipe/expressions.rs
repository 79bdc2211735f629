//! Tensor expressions over buffers, for `%buf`, `%show` and `%check`.

use super::initialise::{INITIALISERS, initialise};
use crate::expression::tensor::{Elements, Failure, Tensor, TensorScope, Value, evaluate_tensor};
use crate::expression::{Expr, ExprKind, Scalar, Scope};
use crate::workspace::tensors::tensor_of;
use crate::workspace::{Workspace, WorkspaceScope};
use warpbook_device::Dtype;
use warpbook_diagnostic::Result;
use warpbook_gpu::ElementType;
use warpbook_process::cancel::Cancel;
use warpbook_process::work::Work;

/// Gives names their values in an expression of `%buf`: the workspace's, and the initialisers.
struct Names<'a> {
    workspace: &'a Workspace,
    scope: WorkspaceScope<'a>,
}

/// The value of an expression of buffers, initialisers, scalars and functions.
pub fn value(expression: &Expr, workspace: &Workspace, cancel: &Cancel) -> Result<Value> {
    evaluate_tensor(expression, &Names { workspace, scope: workspace.scope() }, cancel)
}

impl Scope for Names<'_> {
    fn name(&self, name: &str) -> Option<Scalar> {
        self.scope.name(name)
    }

    fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar> {
        self.scope.member(base, member, args)
    }

    fn names(&self) -> Vec<String> {
        self.scope.names()
    }
}

impl TensorScope for Names<'_> {
    fn tensor(&self, expression: &Expr, work: Work<'_>) -> Result<Option<Tensor>> {
        if let Some(tensor) = self.scope.tensor(expression, work)? {
            return Ok(Some(tensor));
        }
        let ExprKind::Call { callee, keywords, .. } = &expression.kind else { return Ok(None) };
        let ExprKind::Name(name) = &callee.kind else { return Ok(None) };
        // `zeros(4)` and the like are functions of tensors too, which take any number that an expression gives.
        let is_random = name.starts_with("rand") || name.ends_with("_like");
        if !is_random && keywords.is_empty() || !INITIALISERS.iter().any(|(known, _)| known == name) {
            return Ok(None);
        }
        let contents = initialise(expression, self.workspace, work)?;
        contents.map(|contents| tensor_of(&contents, &expression.span, work)).transpose()
    }

    fn cast(&self, element: ElementType, elements: &Elements, work: Work<'_>) -> Result<Elements, Failure> {
        self.scope.cast(element, elements, work)
    }
}

/// The type that a buffer of an expression's value has: a cast's or the buffer's that it is a part of; else the one of
/// all buffers of its kind in the expression; else f32, i32 (i64 where a value does not fit) or i1.
pub fn natural_dtype(tensor: &Tensor, expression: &Expr, workspace: &Workspace) -> Dtype {
    if let Some(dtype) = tensor.dtype.and_then(Dtype::from_element) {
        return dtype;
    }
    let common = |of_kind: fn(Dtype) -> bool| {
        let dtypes: Vec<Dtype> =
            workspace.scope().dtypes(expression).into_iter().filter(|&dtype| of_kind(dtype)).collect();
        if let [only] = dtypes.as_slice() { Some(*only) } else { None }
    };
    match &*tensor.data {
        Elements::Float(_) => common(Dtype::is_float).unwrap_or(Dtype::F32),
        Elements::Bool(_) => Dtype::I1,
        Elements::Int(values) => {
            let (low, high) = values.iter().fold((0, 0), |(low, high), &value| (value.min(low), value.max(high)));
            let fits = |dtype: &Dtype| {
                dtype.range().is_some_and(|(least, largest)| least <= low.into() && i128::from(high) <= largest)
            };
            let own = common(|dtype| !dtype.is_float() && dtype != Dtype::I1);
            own.into_iter().chain([Dtype::I32]).find(fits).unwrap_or(Dtype::I64)
        }
    }
}
