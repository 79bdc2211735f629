//! `%buf`: makes a named buffer.

use super::initialise::{INITIALISERS, initialise, reserve};
use crate::device::{Buffer, Contents, Dtype, Recipe, contiguous_strides};
use crate::diagnostic::{Diagnostic, Result, nearest};
use crate::expression::{Expr, ExprKind, Parser, Scalar, evaluate};
use crate::magics::{Call, Kind, Magic, Spec};
use crate::render::{Output, bytes_text};
use crate::workspace::{Context, Workspace, resolve_view};

/// `%buf NAME = INITIALISER`
pub struct Buf;

impl Magic for Buf {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "buf",
            kind: Kind::Line,
            summary: "make a named buffer on the device",
            usage: "NAME = INITIALISER",
            details: "INITIALISER is one of `zeros ones full empty arange eye rand randn randint zeros_like ones_like`, \
                      a list, or a buffer or view, which is copied:\n\
                      `%buf a = randn(512, 512, dtype=f16, seed=1)`\n\
                      `%buf idx = arange(0, 512, 2)`\n\
                      `%buf table = [[1, 2], [3, 4]]`\n\
                      `%buf b = a[:256].T`\n\
                      Types: i1 i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 f8e4m3 f8e5m2; f32 unless said. \
                      Random numbers depend on the seed alone (0 unless said), on every machine.",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let mut parser = Parser::new(&call.cell.text, call.arguments.clone())?;
        let Some((name, name_span)) = parser.name() else { return Err(parser.unexpected("a name")) };
        parser.expect("=")?;
        let expression = parser.expression()?;
        parser.end()?;
        if Dtype::parse(&name).is_some() || matches!(name.as_str(), "tl" | "inf" | "nan") {
            let error = Diagnostic::error("reserved-name", format!("`{name}` means something else in expressions"));
            return Err(Box::new(error.at(name_span, "choose another name")));
        }
        let (contents, recipe) = contents(&expression, call, workspace)?;
        let buffer = store(workspace, &name, &contents, recipe)?;
        Ok(Some(Output::text(line(buffer))))
    }
}

fn contents(expression: &Expr, call: &Call<'_>, workspace: &Workspace) -> Result<(Contents, Recipe)> {
    let text = call.cell.text[expression.span.clone()].to_owned();
    if let Some(contents) = initialise(expression, workspace)? {
        return Ok((contents, Recipe::Initialiser(text)));
    }
    if let Some(view) = resolve_view(expression, workspace)? {
        let bytes = view.read(workspace.device.as_ref())?;
        return Ok((Contents { dtype: view.dtype, shape: view.shape, bytes }, Recipe::Copy(text)));
    }
    if let Some(contents) = cast(expression, workspace)? {
        return Ok((contents, Recipe::Copy(text)));
    }
    let name = match &expression.kind {
        ExprKind::Call { callee, .. } => match &callee.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        },
        ExprKind::Name(name) => Some(name),
        _ => None,
    };
    let known = INITIALISERS.map(|(known, _)| known);
    let error = Diagnostic::error("initialiser", "this makes no buffer").at(expression.span.clone(), "");
    let error = match name.and_then(|name| nearest(name, known.into_iter().chain(workspace.buffers.names()))) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    };
    Err(Box::new(error.note(format!("initialisers: {}, a list, or a buffer to copy", known.join(" ")))))
}

/// `a.to(f16)`: a copy in another type.
fn cast(expression: &Expr, workspace: &Workspace) -> Result<Option<Contents>> {
    let ExprKind::Call { callee, args, keywords } = &expression.kind else { return Ok(None) };
    let (ExprKind::Attribute(base, method), [to], true) = (&callee.kind, args.as_slice(), keywords.is_empty()) else {
        return Ok(None);
    };
    let Some(view) = (if method == "to" { resolve_view(base, workspace)? } else { None }) else { return Ok(None) };
    let dtype = match evaluate(to, &workspace.scope())? {
        Scalar::Dtype(name) | Scalar::Str(name) => Dtype::parse(&name),
        _ => None,
    };
    let Some(dtype) = dtype else {
        return Err(Box::new(Diagnostic::error("dtype", "this is no data type").at(to.span.clone(), "")));
    };
    let elements = view.read(workspace.device.as_ref())?;
    let mut bytes = reserve(dtype, &view.shape, &expression.span)?;
    for element in elements.chunks_exact(view.dtype.size()) {
        dtype.encode(view.dtype.decode(element), &mut bytes);
    }
    Ok(Some(Contents { dtype, shape: view.shape, bytes }))
}

/// Puts contents on the device under a name.
pub(super) fn store<'a>(
    workspace: &'a mut Workspace,
    name: &str,
    contents: &Contents,
    recipe: Recipe,
) -> Result<&'a Buffer> {
    let bytes = contents.bytes.len() as u64;
    let address = workspace.device.allocate(name, bytes)?;
    if let Err(error) = workspace.device.write(address, &contents.bytes) {
        workspace.device.free(address);
        return Err(error);
    }
    workspace.put_buffer(Buffer {
        name: name.to_owned(),
        dtype: contents.dtype,
        strides: contiguous_strides(&contents.shape),
        shape: contents.shape.clone(),
        address,
        bytes,
        recipe,
    });
    workspace.buffers.get(name).ok_or_else(|| Box::new(Diagnostic::error("internal", "the buffer is lost")))
}

/// `a  f16 [512, 512]  512 KiB  randn(512, 512, dtype=f16, seed=1)`
pub(super) fn line(buffer: &Buffer) -> String {
    format!(
        "{}  {} {:?}  {}  {}",
        buffer.name,
        buffer.dtype,
        buffer.shape,
        bytes_text(buffer.bytes),
        buffer.recipe.text()
    )
}
