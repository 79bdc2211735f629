//! `%load` and `%save`: buffers from files and into files.

use std::ops::Range;
use std::path::PathBuf;

use super::buf::{line, store_at};
use super::on_device;
use crate::files::{self, FileError};
use crate::magics::{Call, Kind, Magic, OptionSpec, Spec};
use crate::render::Output;
use crate::workspace::{Context, Workspace};
use warpbook_device::{Contents, Dtype, Recipe};
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// `%load NAME = PATH[ENTRY]`
pub struct Load;

/// `%save NAME… PATH`
pub struct Save;

const LOAD_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "--dtype",
        value: "TYPE",
        help: "read the elements' bits as this type: bf16 in a .npy file of u16",
    },
    on_device::DEVICE,
];

impl Magic for Load {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "load",
            kind: Kind::Line,
            summary: "make a buffer from a .npy, .npz or .safetensors file",
            usage: "NAME = PATH or NAME = PATH[ENTRY]",
            details: "`%load x = data/x.npy`\n`%load w = model.safetensors[layers.0.weight]`\n\
                      A path with blanks stands in quotes. Relative paths begin at the notebook's directory. numpy has no \
                      bf16 and no fp8: `%load x = x.npy --dtype bf16` reads 16-bit integers as bf16.",
            options: LOAD_OPTIONS,
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let (arguments, place) = on_device::split(call, workspace)?;
        let mut words = words(&Call { arguments, ..call.clone() });
        let usage = || Diagnostic::error("usage", "`%load` takes a name and a file").help("`%load NAME = PATH`");
        let dtype = take_dtype(&mut words)?;
        let ((name, name_span), path) = match words.as_slice() {
            [name, (equals, _), path] if equals == "=" => (name.clone(), path.clone()),
            [name, path] => (name.clone(), path.clone()),
            _ => return Err(usage().at(call.arguments.clone(), "")),
        };
        check_name(&name, &name_span)?;
        let (path, entry) = files::split_entry(&path.0);
        let span = words.last().map_or(call.arguments.clone(), |(_, span)| span.clone());
        let mut contents =
            files::read(&path, entry.as_deref()).map_err(|error| refused(error, "read", &path, &span))?;
        if let Some((dtype, span)) = dtype {
            contents = reinterpret(contents, dtype, &span)?;
        }
        let shown = entry.map_or_else(|| path.display().to_string(), |entry| format!("{}[{entry}]", path.display()));
        Ok(Some(Output::text(line(store_at(workspace, place, &name, &contents, Recipe::File(shown))?))))
    }
}

impl Magic for Save {
    fn spec(&self) -> &'static Spec {
        &Spec {
            name: "save",
            kind: Kind::Line,
            summary: "write buffers to a .npy, .npz or .safetensors file",
            usage: "NAME … PATH",
            details: "`%save c out/c.npy`\n`%save a b c all.safetensors`\n\
                      .npy takes one buffer. numpy has no bf16 and no fp8: their bits are written as u16 and u8.",
            options: &[],
        }
    }

    fn run(&self, call: &Call<'_>, workspace: &mut Workspace, _: Context<'_>) -> Result<Option<Output>> {
        let words = words(call);
        let Some(((path, span), names)) = words.split_last().filter(|(_, names)| !names.is_empty()) else {
            let error = Diagnostic::error("usage", "`%save` takes buffers and a file").at(call.arguments.clone(), "");
            return Err(error.help("`%save NAME PATH`"));
        };
        let mut arrays = Vec::new();
        let mut notes = Vec::new();
        for (index, (name, span)) in names.iter().enumerate() {
            if let Some((_, first)) = names[..index].iter().find(|(earlier, _)| earlier == name) {
                let error = Diagnostic::error("name-twice", format!("`{name}` is named twice")).at(span.clone(), "");
                return Err(error.because(first.clone(), "the first time"));
            }
            let Some(buffer) = workspace.buffers.get(name) else {
                let error = Diagnostic::error("unknown-buffer", format!("no buffer is named `{name}`"));
                let error = error.at(span.clone(), "not found");
                return Err(match nearest(name, workspace.buffers.names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`%bufs` lists the buffers"),
                });
            };
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
        files::write(&path, &arrays).map_err(|error| refused(error, "write", &path, span))?;
        Ok((!notes.is_empty()).then(|| Output::text(notes.join("\n"))))
    }
}

/// Words of the arguments with their places; quotes hold a word together.
fn words(call: &Call<'_>) -> Vec<(String, Range<usize>)> {
    let mut words = Vec::new();
    let text = call.arguments_text();
    let mut rest = text.char_indices().peekable();
    while let Some(&(start, first)) = rest.peek() {
        if first.is_whitespace() {
            rest.next();
            continue;
        }
        let mut word = String::new();
        let mut quote = None;
        let mut end = start;
        while let Some(&(at, c)) = rest.peek() {
            if quote.is_none() && c.is_whitespace() {
                break;
            }
            rest.next();
            end = at + c.len_utf8();
            match quote {
                Some(open) if c == open => quote = None,
                None if matches!(c, '"' | '\'') => quote = Some(c),
                _ => word.push(c),
            }
        }
        words.push((word, call.arguments.start + start..call.arguments.start + end));
    }
    // `x=file` is as good as `x = file`.
    if let Some((first, span)) = words.first().cloned()
        && let Some((name, path)) = first.split_once('=')
        && !name.is_empty()
    {
        let middle = span.start + name.len();
        let mut parts = vec![(name.to_owned(), span.start..middle), ("=".to_owned(), middle..middle + 1)];
        if !path.is_empty() {
            parts.push((path.to_owned(), middle + 1..span.end));
        }
        words.splice(0..1, parts);
    }
    words
}

type Word = (String, Range<usize>);

/// Takes `--dtype TYPE` out of the words.
fn take_dtype(words: &mut Vec<Word>) -> Result<Option<(Dtype, Range<usize>)>> {
    let Some(at) = words.iter().position(|(word, _)| word.starts_with("--")) else { return Ok(None) };
    let (option, span) = words.remove(at);
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some((value.to_owned(), span.clone()))),
        None if at < words.len() => (option, Some(words.remove(at))),
        None => (option, None),
    };
    if name != "--dtype" {
        let error = Diagnostic::error("unknown-option", format!("there is no option `{name}` here")).at(span, "");
        return Err(error.help("`%load --help` lists the options"));
    }
    let dtype = value.as_ref().and_then(|(value, _)| Dtype::parse(value));
    match (dtype, value) {
        (Some(dtype), Some((_, span))) => Ok(Some((dtype, span))),
        (_, value) => {
            let span = value.map_or(span, |(_, span)| span);
            let names = Dtype::ALL.map(Dtype::name).join(", ");
            let error = Diagnostic::error("dtype", "`--dtype` takes a data type").at(span, "");
            Err(error.note(format!("there are {names}")))
        }
    }
}

fn check_name(name: &str, span: &Range<usize>) -> Result<()> {
    let mut chars = name.chars();
    let good =
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_');
    if good && Dtype::parse(name).is_none() {
        return Ok(());
    }
    let error = Diagnostic::error("buffer-name", format!("`{name}` cannot name a buffer")).at(span.clone(), "");
    Err(error.note("a name has letters, digits and `_`, and is no data type"))
}

fn reinterpret(contents: Contents, dtype: Dtype, span: &Range<usize>) -> Result<Contents> {
    if contents.dtype.size() == dtype.size() {
        return Ok(Contents { dtype, ..contents });
    }
    let message = format!("the file has elements of {} bytes, and {dtype} has {}", contents.dtype.size(), dtype.size());
    Err(Diagnostic::error("dtype", message).at(span.clone(), ""))
}

fn refused(error: FileError, what: &str, path: &std::path::Path, span: &Range<usize>) -> Diagnostic {
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
        FileError::Io(_) | FileError::Malformed(_) => diagnostic,
    }
}
