//! Expressions of tensors: `a @ b + bias`, `softmax(x / 8, axis=-1)`, with numpy's meaning, in double precision.
//!
//! They are references to check kernels against, so they are exact where they can be: elements are doubles, 64-bit
//! integers or bools whatever the buffer's type is, and nothing is rounded but by a cast (`f16(x)`, `x.to(f16)`).

mod argument;
mod arithmetic;
mod call;
mod elementwise;
mod evaluate;
mod failure;
mod functions;
mod matmul;
mod reduce;
mod shape;
mod value;

pub use evaluate::{TensorScope, evaluate_tensor};
pub use failure::Failure;
pub use functions::functions;
pub use value::{Elements, Tensor, Value};

#[cfg(test)]
mod tests;
