//! `%buf`: makes a named buffer.

use super::on_device::{DEVICE, place};
use crate::expression::tensor::Value;
use crate::expression::tensor::functions;
use crate::expression::{Expr, ExprKind};
use crate::magics::declare::kinds::Assignments;
use crate::magics::declare::{Argument, Typed};
use crate::magics::{Call, Example, Kind, Magic, Needs, Spec};
use crate::render::{Output, bytes_text};
use crate::workspace::recipe::{INITIALISERS, expressions, initialise, reserve};
use crate::workspace::{Context, Workspace, resolve_view, tensors};
use warpbook_device::cuda::content_digest;
use warpbook_device::{Buffer, Contents, Dtype, Place, Recipe, contiguous_strides};
use warpbook_diagnostic::{Diagnostic, Result, nearest};
use warpbook_process::cancel::Cancel;
use warpbook_process::work::Work;

/// `%buf NAME = EXPRESSION`
pub struct Buf;

const ASSIGNMENT: Argument<Assignments> = Argument::required(
    "NAME",
    Assignments { placeholder: "NAME = EXPRESSION", most: 1, names },
    "the buffer's name, and what it holds at first",
);

fn names() -> Vec<String> {
    let initialisers = INITIALISERS.iter().map(|(name, _)| (*name).to_owned());
    initialisers.chain(Dtype::ALL.map(|dtype| dtype.name().to_owned())).chain(functions()).collect()
}

const SPEC: Spec = Spec {
    name: "buf",
    kind: Kind::Line,
    summary: "make a named buffer on the device",
    arguments: &[&ASSIGNMENT],
    options: &[&DEVICE],
    details: "EXPRESSION is an initialiser: `zeros ones full empty arange eye rand randn randint zeros_like ones_like`, or a \
              list; a buffer or view, which is copied; or any expression of tensors, computed in double precision \
              (`%help show` lists the functions).\n\
              Types: i1 i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 f8e4m3 f8e5m2. An initialiser makes f32 unless \
              `dtype=` says otherwise. An expression has the type of its cast; without one, the type of its buffers if \
              they have the same; else f32, i32 (i64 where a value does not fit) or i1.\n\
              Random numbers depend on the seed alone (0 by default), on every machine.",
    examples: &[
        Example {
            cell: "%buf a = randn(512, 512, dtype=f16, seed=1)",
            needs: Needs::Nothing,
            shows: "a  f16 [512, 512]",
        },
        Example { cell: "%buf index = arange(0, 512, 2)", needs: Needs::Nothing, shows: "index  i32 [256]" },
        Example { cell: "%buf table = [[1, 2], [3, 4]]", needs: Needs::Nothing, shows: "table  i32 [2, 2]" },
        Example { cell: "%buf d = a[:32].T", needs: Needs::Buffers, shows: "d  f16 [64, 32]" },
        Example { cell: "%buf e = a @ b + 1", needs: Needs::Buffers, shows: "e  f16 [64, 64]" },
        Example { cell: "%buf h = softmax(a, axis=-1).to(bf16)", needs: Needs::Buffers, shows: "h  bf16 [64, 64]" },
    ],
};

impl Magic for Buf {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let call = typed.call;
        let place = place(typed, workspace)?;
        let Some(assignment) = typed.required(&ASSIGNMENT)?.first() else { return Ok(None) };
        let (contents, recipe) = contents(&assignment.value, call, workspace, context.cancel)?;
        let buffer = store_at(workspace, place, &assignment.name, &contents, recipe)?;
        Ok(Some(Output::text(line(buffer))))
    }
}

fn contents(expression: &Expr, call: &Call<'_>, workspace: &Workspace, cancel: &Cancel) -> Result<(Contents, Recipe)> {
    let text = call.cell.text[expression.span.clone()].to_owned();
    let work = Work::new(cancel);
    if let Some(contents) = initialise(expression, workspace, work)? {
        return Ok((contents, Recipe::Initialiser(text)));
    }
    // What is no view, `a.T.reshape(-1)`, can be a tensor; what is wrong as both is said below.
    if let Ok(Some(view)) = resolve_view(expression, workspace) {
        let bytes = workspace.read(&view)?;
        return Ok((Contents { dtype: view.dtype, shape: view.shape, bytes }, Recipe::Copy(text)));
    }
    match expressions::value(expression, workspace, cancel) {
        Ok(Value::Tensor(tensor)) => {
            let dtype = expressions::natural_dtype(&tensor, expression, workspace);
            // Refuses what does not fit before it is written out.
            reserve(dtype, &tensor.shape, &expression.span)?;
            Ok((tensors::contents(&tensor, dtype, work)?, Recipe::Expression(text)))
        }
        Ok(Value::Scalar(scalar)) => {
            let error = Diagnostic::error("initialiser", format!("this is {}, not a buffer", scalar.kind()));
            let error = error.at(expression.span.clone(), "");
            Err(error.help("`%let NAME = …` names a scalar; `full(4, value)` makes a buffer of it"))
        }
        Err(error) => Err(with_initialisers(error, expression)),
    }
}

/// Adds the initialisers to what a misspelt function could have been.
fn with_initialisers(mut error: Diagnostic, expression: &Expr) -> Diagnostic {
    let ExprKind::Call { callee, .. } = &expression.kind else { return error };
    let (ExprKind::Name(name), "unknown-function") = (&callee.kind, error.code) else { return error };
    match nearest(name, INITIALISERS.into_iter().map(|(known, _)| known)) {
        Some(near) => {
            error.help = vec![format!("did you mean `{near}`?")];
            error.notes.clear();
            error
        }
        None => error,
    }
}

/// Puts contents on the current device under a name.
pub fn store<'a>(workspace: &'a mut Workspace, name: &str, contents: &Contents, recipe: Recipe) -> Result<&'a Buffer> {
    let place = workspace.device.place();
    store_at(workspace, place, name, contents, recipe)
}

/// As [`store`], on the device of a place.
pub fn store_at<'a>(
    workspace: &'a mut Workspace,
    place: Place,
    name: &str,
    contents: &Contents,
    recipe: Recipe,
) -> Result<&'a Buffer> {
    workspace.ensure(place)?;
    let lost = || Diagnostic::error("internal", "the device is lost");
    let device = workspace.device_at_mut(place).ok_or_else(lost)?;
    let bytes = contents.bytes.len() as u64;
    let address = device.allocate(name, bytes)?;
    if let Err(error) = device.write(address, &contents.bytes) {
        device.free(address);
        return Err(error);
    }
    workspace.put_buffer(Buffer {
        name: name.to_owned(),
        dtype: contents.dtype,
        strides: contiguous_strides(&contents.shape),
        shape: contents.shape.clone(),
        place,
        address,
        bytes,
        recipe,
    });
    workspace.journal.note(name, content_digest(&contents.bytes));
    workspace.buffers.get(name).ok_or_else(|| Diagnostic::error("internal", "the buffer is lost"))
}

/// `a  f16 [512, 512]  512 KiB  randn(512, 512, dtype=f16, seed=1)`
pub fn line(buffer: &Buffer) -> String {
    format!(
        "{}  {} {:?}  {}  {}",
        buffer.name,
        buffer.dtype,
        buffer.shape,
        bytes_text(buffer.bytes),
        buffer.recipe.text()
    )
}
