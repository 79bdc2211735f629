//! `%load` and `%save`: buffers from files and into files.

use std::ops::Range;
use std::path::PathBuf;

use super::buf::{line, store_at};
use super::on_device::{DEVICE, place};
use crate::files::{self, FileError};
use crate::magics::declare::kinds::{BufferName, Dtyped, FilePath, Placed, new_name};
use crate::magics::declare::{Argument, Candidates, Extent, Input, Takes, Typed, words};
use crate::magics::{Example, Kind, Magic, Needs, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_device::{Contents, Dtype, Recipe};
use warpbook_diagnostic::{Diagnostic, Result};
use warpbook_process::work::{Stopped, Work};

/// `%load NAME = PATH[ENTRY]`
pub struct Load;

/// `%save NAME… PATH`
pub struct Save;

/// Extensions of the files that hold arrays.
const EXTENSIONS: &[&str] = &["npy", "npz", "safetensors"];

const SOURCE: Argument<NamedFile> = Argument::required(
    "NAME",
    NamedFile(FilePath { placeholder: "NAME = PATH[ENTRY]", expected: "a name and a file", extensions: EXTENSIONS }),
    "the buffer's name, and the file; ENTRY is one of the arrays in a .npz or .safetensors file",
);
const DTYPE: Argument<Dtyped> =
    Argument::option("--dtype", Dtyped, "read the elements' bits as this type, such as bf16 in a .npy file of u16");

const LOAD_SPEC: Spec = Spec {
    name: "load",
    kind: Kind::Line,
    summary: "make a buffer from a .npy, .npz or .safetensors file",
    arguments: &[&SOURCE],
    options: &[&DTYPE, &DEVICE],
    details: "Write a path with spaces in quotes. Relative paths begin at the notebook's directory. numpy has no bf16 and \
              no fp8: `--dtype bf16` reads 16-bit integers as bf16.",
    examples: &[
        Example { cell: "%load x = a.npy", needs: Needs::File, shows: "x  f16 [64, 64]" },
        Example { cell: "%load w = all.safetensors[b]", needs: Needs::File, shows: "w  f16 [64, 64]" },
        Example { cell: "%load bits = a.npy --dtype bf16", needs: Needs::File, shows: "bits  bf16 [64, 64]" },
    ],
};

const NAMES: Argument<BufferName> =
    Argument::several("NAME", BufferName { placeholder: "NAME", scalars: false }, "the buffers to write");
const TARGET: Argument<FilePath> = Argument::required(
    "PATH",
    FilePath { placeholder: "PATH", expected: "a file to write to", extensions: EXTENSIONS },
    "the file; its extension chooses the format",
);

const SAVE_SPEC: Spec = Spec {
    name: "save",
    kind: Kind::Line,
    summary: "write buffers to a .npy, .npz or .safetensors file",
    arguments: &[&NAMES, &TARGET],
    options: &[],
    details: "A .npy file holds one buffer. numpy has no bf16 and no fp8: their bits are written as u16 and u8.",
    examples: &[
        Example { cell: "%save a a.npy", needs: Needs::File, shows: "" },
        Example { cell: "%save a b all.safetensors", needs: Needs::File, shows: "" },
    ],
};

/// `NAME = PATH`, with or without `=`.
#[derive(Clone, Copy, Debug)]
struct NamedFile(FilePath);

/// A buffer to be made, and the file that it is made from.
#[derive(Debug)]
struct Named {
    name: Placed<String>,
    path: Placed<String>,
}

/// Takes the name in front of a file apart: its length, and where the file begins.
fn name_before(text: &str) -> (usize, usize) {
    let name = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
    let rest = text[name..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    (name, text.len() - rest.len())
}

impl Takes for NamedFile {
    type Value = Named;

    fn placeholder(&self) -> String {
        self.0.placeholder()
    }

    fn expected(&self) -> String {
        self.0.expected()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Named> {
        let (name, path) = name_before(&input.cell[input.span.clone()]);
        let name_span = input.span.start..input.span.start + name;
        let words = words(input.cell, input.span.start + path..input.span.end)?;
        let [path] = words.as_slice() else {
            let error = Diagnostic::error("usage", "`%load` takes a name and a file").at(input.span.clone(), "");
            return Err(error.help("`%load NAME = PATH`"));
        };
        let name = Placed { value: input.cell[name_span.clone()].to_owned(), span: name_span };
        check_name(&name)?;
        Ok(Named { name, path: Placed { value: path.text.clone(), span: path.span.clone() } })
    }

    fn extent(&self) -> Extent {
        Extent::Rest
    }

    fn candidates(&self, typed: &str, workspace: &Workspace) -> Candidates {
        let (name, path) = name_before(typed);
        if name == typed.len() {
            return Candidates::default();
        }
        let found = self.0.candidates(&typed[path..], workspace);
        Candidates { kept: path + found.kept, ..found }
    }
}

impl Magic for Load {
    fn spec(&self) -> &'static Spec {
        &LOAD_SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let work = Work::new(context.cancel);
        let Named { name, path: named } = typed.required(&SOURCE)?;
        let (path, entry) = files::split_entry(&named.value);
        let mut contents =
            files::read(&path, entry.as_deref(), work).map_err(|error| refused(error, "read", &path, &named.span))?;
        if let Some(dtype) = typed.get(&DTYPE) {
            contents = reinterpret(contents, *dtype, &typed.place(&DTYPE))?;
        }
        let place = place(typed, workspace)?;
        let shown = entry.map_or_else(|| path.display().to_string(), |entry| format!("{}[{entry}]", path.display()));
        let buffer = store_at(workspace, place, &name.value, &contents, Recipe::File(shown))?;
        Ok(Some(Output::text(line(buffer))))
    }
}

impl Magic for Save {
    fn spec(&self) -> &'static Spec {
        &SAVE_SPEC
    }

    fn run(&self, typed: &Typed<'_>, workspace: &mut Workspace, context: Context<'_>) -> Result<Option<Output>> {
        let Placed { value: path, span } = typed.required(&TARGET)?;
        let names: Vec<&Placed<String>> = typed.values(&NAMES).collect();
        let mut arrays = Vec::new();
        let mut notes = Vec::new();
        for (index, named) in names.iter().enumerate() {
            let name = &named.value;
            if let Some(first) = names[..index].iter().find(|earlier| earlier.value == *name) {
                let error = Diagnostic::error("name-twice", format!("`{name}` is named twice"));
                let error = error.at(named.span.clone(), "").because(first.span.clone(), "the first time");
                return Err(error);
            }
            let buffer = BufferName::find(named, workspace)?;
            let bytes = workspace.bytes_of(buffer)?;
            arrays.push((name.clone(), Contents { dtype: buffer.dtype, shape: buffer.shape.clone(), bytes }));
            let stand_in = match buffer.dtype {
                Dtype::Bf16 => Some("u16"),
                Dtype::F8E4m3 | Dtype::F8E5m2 => Some("u8"),
                _ => None,
            };
            if let Some(bits) = stand_in.filter(|_| !path.ends_with(".safetensors")) {
                notes.push(format!("{name}: the bits of {} as {bits}", buffer.dtype));
            }
        }
        let path = PathBuf::from(path);
        files::write(&path, &arrays, Work::new(context.cancel))
            .map_err(|error| refused(error, "write", &path, span))?;
        Ok((!notes.is_empty()).then(|| Output::text(notes.join("\n"))))
    }
}

/// Refuses a name that no buffer can have.
fn check_name(name: &Placed<String>) -> Result<()> {
    let text = &name.value;
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    if text.starts_with(|c: char| is_letter(c) && !c.is_numeric()) && text.chars().all(is_letter) {
        return new_name(text, &name.span);
    }
    let error = Diagnostic::error("buffer-name", format!("`{text}` cannot name a buffer")).at(name.span.clone(), "");
    Err(error.note("a name has letters, digits and `_`, and does not begin with a digit"))
}

fn reinterpret(contents: Contents, dtype: Dtype, span: &Range<usize>) -> Result<Contents> {
    if contents.dtype.size() == dtype.size() {
        return Ok(Contents { dtype, ..contents });
    }
    let message = format!("the file has elements of {} bytes, and {dtype} has {}", contents.dtype.size(), dtype.size());
    Err(Diagnostic::error("dtype", message).at(span.clone(), ""))
}

fn refused(error: FileError, what: &str, path: &std::path::Path, span: &Range<usize>) -> Diagnostic {
    if let FileError::Stopped(Stopped::Interrupted) = error {
        return Diagnostic::interrupted();
    }
    let diagnostic = Diagnostic::error("file", format!("cannot {what} {}", path.display())).at(span.clone(), "");
    let diagnostic = diagnostic.note(error.to_string());
    match error {
        FileError::WhichArray { names, .. } if names.is_empty() => diagnostic.help("it holds no arrays"),
        FileError::WhichArray { names, .. } => {
            let names: Vec<String> = names.into_iter().take(20).collect();
            let first = names.first().cloned().unwrap_or_default();
            diagnostic.help(format!("it has {}", names.join(", "))).help(format!("`{}[{first}]`", path.display()))
        }
        FileError::UnknownFormat => diagnostic.help("formats: .npy, .npz, .safetensors"),
        FileError::OneArray => diagnostic.help("a .npz or .safetensors file holds several"),
        FileError::Stopped(_) => diagnostic.help("`%bufs` shows what is allocated, `%free` gives it back"),
        FileError::Io(_) | FileError::Malformed(_) => diagnostic,
    }
}
