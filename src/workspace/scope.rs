//! What names mean in expressions: scalars, data types, and facts about buffers.

use super::Workspace;
use crate::expression::{Scalar, Scope};
use warpbook_device::Dtype;

/// The names of a workspace.
#[derive(Clone, Copy)]
pub struct WorkspaceScope<'a>(pub(super) &'a Workspace);

impl Workspace {
    /// The scope that gives names their values in expressions.
    pub fn scope(&self) -> WorkspaceScope<'_> {
        WorkspaceScope(self)
    }
}

/// Modules that a data type may be taken from: `tl.float16`.
const DTYPE_MODULES: [&str; 3] = ["tl", "torch", "np"];

impl Scope for WorkspaceScope<'_> {
    fn name(&self, name: &str) -> Option<Scalar> {
        let scalar = self.0.scalars.get(name).cloned();
        scalar.or_else(|| Dtype::parse(name).map(|dtype| Scalar::Dtype(dtype.element())))
    }

    fn member(&self, base: &str, member: &str, args: Option<&[Scalar]>) -> Option<Scalar> {
        let Some(buffer) = self.0.buffers.get(base) else {
            let dtype = Dtype::parse(member).filter(|_| DTYPE_MODULES.contains(&base) && args.is_none())?;
            return Some(Scalar::Dtype(dtype.element()));
        };
        let rank = buffer.shape.len() as i64;
        let all = |values: Vec<i64>| Scalar::Tuple(values.into_iter().map(Scalar::Int).collect());
        let shape = || buffer.shape.iter().map(|&extent| extent as i64).collect::<Vec<_>>();
        let at = |values: Vec<i64>, dimension: i64| {
            let index = if dimension < 0 { dimension + rank } else { dimension };
            values.get(usize::try_from(index).ok()?).map(|&value| Scalar::Int(value))
        };
        Some(match (member, args) {
            ("shape", None) | ("size", Some([])) => all(shape()),
            ("stride", Some([])) | ("strides", None) => all(buffer.strides.clone()),
            ("size", Some([Scalar::Int(dimension)])) => return at(shape(), *dimension),
            ("stride", Some([Scalar::Int(dimension)])) => return at(buffer.strides.clone(), *dimension),
            ("numel", Some([])) => Scalar::Int(buffer.numel() as i64),
            ("ndim", None) | ("dim", Some([])) => Scalar::Int(rank),
            ("nbytes", None) => Scalar::Int(buffer.bytes as i64),
            ("itemsize", None) | ("element_size", Some([])) => Scalar::Int(buffer.dtype.size() as i64),
            ("dtype", None) => Scalar::Dtype(buffer.dtype.element()),
            ("data_ptr", Some([])) => Scalar::Int(buffer.address as i64),
            _ => return None,
        })
    }

    fn names(&self) -> Vec<String> {
        let scalars = self.0.scalars.iter().map(|(name, _)| name.to_owned());
        scalars.chain(self.0.buffers.names().map(str::to_owned)).collect()
    }
}
