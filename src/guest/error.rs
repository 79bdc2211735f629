//! What evcxr and rustc say, as diagnostics on the cell.

use std::ops::Range;

use warpbook_diagnostic::{Diagnostic, Source};

use warpbook_rust_host::protocol::{CompilationError, Failure, Label};

/// The error messages of a failed cell.
pub fn diagnostic(failure: &Failure, cell: &Source) -> Diagnostic {
    match failure {
        Failure::Compilation { errors } => compilation(errors, cell),
        Failure::Ended { message } => {
            let how = message.lines().last().and_then(|line| line.split_once("status: ")).map_or("", |(_, how)| how);
            let ended = Diagnostic::error("rust-process-ended", "the process that runs the Rust cells ended");
            let ended = if how.is_empty() { ended } else { ended.note(how) };
            ended
                .note("its variables are lost; functions, types and dependencies are kept")
                .help("run the cells that make the variables again")
        }
        Failure::Message { message } => from_text("rust", message),
        Failure::Start { message } => from_text("rust-start", message)
            .note("the evaluator of Rust cells did not start")
            .help("`warpbook doctor` shows what Rust cells need: cargo, rustc and a linker"),
    }
}

/// The first line is the sentence, the rest is the note.
fn from_text(code: &'static str, text: &str) -> Diagnostic {
    let (sentence, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    let sentence = if sentence.is_empty() { "the Rust cell failed" } else { sentence.trim_end_matches(['.', ':']) };
    let diagnostic = Diagnostic::error(code, sentence);
    if rest.is_empty() { diagnostic } else { diagnostic.note(rest) }
}

fn compilation(errors: &[CompilationError], cell: &Source) -> Diagnostic {
    let Some((first, others)) = errors.split_first() else {
        return Diagnostic::error("rust", "the Rust cell does not compile");
    };
    let mut diagnostic = Diagnostic::error("rust", headline(first));
    let mut placed = false;
    for label in &first.labels {
        let Some(span) = span(cell, label) else { continue };
        placed = true;
        // evcxr puts the headline where rustc has no words.
        let text = label.text.trim_start_matches("error: ");
        let text = if text == first.message { "" } else { text };
        diagnostic = if label.primary { diagnostic.at(span, text) } else { diagnostic.because(span, text) };
    }
    for note in &first.notes {
        diagnostic = diagnostic.note(note);
    }
    if !placed && !first.rendered.is_empty() {
        diagnostic = diagnostic.note(first.rendered.trim_end());
    }
    for help in &first.help {
        diagnostic = diagnostic.help(help);
    }
    for other in others {
        let place = other.labels.iter().find(|label| label.primary).or(other.labels.first());
        diagnostic = match place.and_then(|label| span(cell, label)) {
            Some(span) => diagnostic.because(span, format!("also: {}", headline(other))),
            None => diagnostic.note(format!("also: {}", headline(other))),
        };
    }
    diagnostic.in_source(cell)
}

fn headline(error: &CompilationError) -> String {
    match &error.code {
        Some(code) => format!("{} ({code})", error.message),
        None => error.message.clone(),
    }
}

fn span(cell: &Source, label: &Label) -> Option<Range<usize>> {
    let start = offset(cell, label.start)?;
    let end = offset(cell, label.end)?.max(start);
    Some(start..end)
}

/// The byte offset of a line and a column in characters, both from 1.
fn offset(cell: &Source, (line, column): (usize, usize)) -> Option<usize> {
    let span = cell.line_span(line)?;
    let text = cell.text.get(span.clone())?;
    let within = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(offset, _)| offset);
    Some(span.start + within)
}

/// A panic of the cell: the runtime's message, and the source that evcxr made of the cell.
pub fn panic(text: &str, generated: Option<&str>, cell: &Source) -> Diagnostic {
    let text = text.trim();
    let (head, message) = text.split_once('\n').unwrap_or((text, ""));
    let message = message.lines().filter(|line| !line.starts_with("note: run with `RUST_BACKTRACE"));
    let message = message.collect::<Vec<_>>().join("\n");
    let (sentence, rest) = message.split_once('\n').unwrap_or((&message, ""));
    let mut diagnostic = Diagnostic::error("rust-panic", format!("panicked: {sentence}"));
    if !rest.trim().is_empty() {
        diagnostic = diagnostic.note(rest.trim_end());
    }
    let place = head.split_once(" panicked at ").map_or("", |(_, place)| place.trim_end_matches(':'));
    if let Some(span) = generated.and_then(|generated| place_in_cell(place, generated, cell)) {
        diagnostic = diagnostic.at(span, "").in_source(cell);
    } else if !place.is_empty() && !place.starts_with("src/lib.rs:") {
        diagnostic = diagnostic.note(format!("at {place}"));
    }
    diagnostic
}

/// Where `src/lib.rs:LINE:COLUMN` of the generated source stands in the cell: evcxr copies the cell's lines.
fn place_in_cell(place: &str, generated: &str, cell: &Source) -> Option<Range<usize>> {
    let (line, column) = place.strip_prefix("src/lib.rs:")?.split_once(':')?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let generated = Source::new("", generated);
    let text = generated.text.get(generated.line_span(line)?)?;
    let at = offset(&generated, (line, column))? - generated.line_span(line)?.start;
    let mut candidates = (1..).map_while(|line| cell.line_span(line)).filter_map(|span| {
        let written = cell.text.get(span.clone())?.trim();
        let start = text.find(written).filter(|_| !written.is_empty())?;
        let within = at.checked_sub(start).filter(|&within| within < written.len())?;
        let indent = cell.text.get(span.clone())?.find(written)?;
        Some(span.start + indent + within..span.end)
    });
    let found = candidates.next()?;
    // The same line twice: better no place than a wrong one.
    if candidates.next().is_some() {
        return None;
    }
    Some(found.start..found.end.min(found.start + call_length(cell.text.get(found.clone())?)))
}

/// The expression that begins `text`, roughly: up to the end of its first bracket.
fn call_length(text: &str) -> usize {
    let mut depth = 0_i32;
    for (offset, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ';' if depth == 0 => return offset.max(1),
            _ => continue,
        }
        if depth <= 0 {
            return offset + usize::from(depth == 0);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilers_error_lands_on_the_cell() {
        let cell = Source::new("cell", "let s = \"äö\"; let x: i32 = s;\n");
        let label = Label { start: (1, 28), end: (1, 29), text: "expected `i32`, found `&str`".into(), primary: true };
        let error = CompilationError {
            code: Some("E0308".into()),
            message: "mismatched types".into(),
            labels: vec![label],
            ..CompilationError::default()
        };
        let text = diagnostic(&Failure::Compilation { errors: vec![error] }, &cell).to_plain();
        assert!(text.contains("mismatched types (E0308)"), "{text}");
        assert!(text.contains("^ expected `i32`"), "{text}");
    }

    #[test]
    fn a_panic_is_found_in_the_cell() {
        let cell = Source::new("cell", "let x = 1;\n  None::<i32>.unwrap();\n");
        let generated = "mod a;\nif catch(||{let x = 1;\n  None::<i32>.unwrap();\n}";
        let text = "\nthread 'main' (7) panicked at src/lib.rs:3:15:\ncalled `Option::unwrap()` on a `None` value\n\
                    note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let shown = panic(text, Some(generated), &cell).to_plain();
        assert!(shown.contains("panicked: called `Option::unwrap()` on a `None` value"), "{shown}");
        assert!(shown.contains("2 |   None::<i32>.unwrap();"), "{shown}");
        assert!(shown.contains("^^^^^^^^"), "{shown}");
        assert!(!shown.contains("RUST_BACKTRACE"), "{shown}");
    }
}
