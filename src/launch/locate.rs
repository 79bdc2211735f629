//! From a place in the PTX to the place in the text that the reader wrote.

use regex::{Captures, Regex};

use super::elements::with_elements;
use super::plan::LaunchPlan;
use crate::workspace::{Definitions, Version, Workspace};
use warpbook_compiler::Stage;
use warpbook_diagnostic::{Diagnostic, Source};

impl LaunchPlan {
    /// An error in the kernel's PTX, placed in the text that the reader wrote, with the elements of the buffers that it
    /// names by bytes.
    pub fn in_own_text(&self, error: Diagnostic, workspace: &Workspace) -> Diagnostic {
        let error = with_elements(error, &workspace.buffers);
        in_own_text(error, &self.kernel, &self.version, &self.text, &workspace.definitions)
    }
}

/// An error of the device, placed in the text that entered the compiler, as far as debug information leads there.
fn in_own_text(
    mut error: Diagnostic,
    kernel: &str,
    version: &Version,
    text: &Source,
    definitions: &Definitions,
) -> Diagnostic {
    if version.entered == Stage::Ptx {
        // The device had this very text.
        if error.source.is_some() {
            error.source = Some(text.clone());
        }
        error.origin = None;
        return error;
    }
    let Some(origin) = error.origin.clone() else { return error };
    let extension = if version.entered.is_python() { "py" } else { version.entered.name() };
    let source = if origin.path == format!("{kernel}.{extension}") {
        Some(text.clone())
    } else {
        definitions.text(&origin.path).map(|text| Source::new(origin.path.clone(), text))
    };
    // Lines of the same text are counted as the cell is.
    if let Ok(own) = Regex::new(&format!(r"(from |\(){}:(\d+)", regex::escape(&format!("{kernel}.{extension}")))) {
        let first = text.first_line;
        let counted = |found: &Captures<'_>| {
            let line = found[2].parse().map_or(0, |line: usize| line + first - 1);
            format!("{}line {line}", &found[1])
        };
        for note in &mut error.notes {
            *note = own.replace_all(note, counted).into_owned();
        }
    }
    // Python counts columns from 0, MLIR from 1.
    let column = origin.column as usize + usize::from(version.entered.is_python());
    let Some((source, span)) = source.and_then(|source| {
        let span = source.word_at(origin.line as usize, column)?;
        Some((source, span))
    }) else {
        return error;
    };
    let instruction = error.source.as_ref().zip(error.labels.first()).and_then(|(ptx, label)| {
        let line = ptx.text.get(..label.span.start)?.matches('\n').count() + ptx.first_line;
        let words: Vec<&str> = ptx.text.get(label.span.clone())?.split_whitespace().collect();
        Some(format!("line {line} of the PTX: {}", words.join(" ")))
    });
    error.labels.clear();
    error.origin = None;
    error.source = Some(source);
    let error = error.at(span, "");
    match instruction {
        Some(instruction) => error.note(instruction),
        None => error,
    }
}
