//! From a [`Diagnostic`] to text, in rustc's own shape, through `annotate-snippets`.

use std::fmt;

use super::{Diagnostic, Severity};
use annotate_snippets::renderer::{RgbColor, Style};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// As far from JupyterLab's pale red, on which it shows errors in the light theme, as from its dark red in the dark one
/// (3.2 : 1). Its ANSI colours are the same in both, and cannot be read on one of them.
const RED: Style = RgbColor(224, 64, 64).on_default().bold();

impl Diagnostic {
    /// As text without colour: what goes into `text/plain` and tracebacks of committed notebooks.
    pub fn to_plain(&self) -> String {
        render(self, &Renderer::plain())
    }

    /// As text with ANSI colours: what a terminal shows.
    pub fn to_ansi(&self) -> String {
        render(self, &Renderer::styled())
    }

    /// As text with the few colours that are read on a light and on a dark page: a traceback.
    pub fn to_notebook(&self) -> String {
        let bold = Style::new().bold();
        let renderer =
            Renderer::styled().error(RED).warning(bold).note(bold).help(bold).line_num(Style::new()).context(bold);
        render(self, &renderer)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_plain())
    }
}

fn render(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(source) = diagnostic.source.as_ref().filter(|_| !diagnostic.labels.is_empty()) {
        let length = source.text.len();
        let snippet = Snippet::source(&*source.text)
            .path(source.name.as_str())
            .line_start(source.first_line)
            .annotations(diagnostic.labels.iter().map(|label| {
                let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                let start = floor_boundary(&source.text, label.span.start.min(length));
                let end = floor_boundary(&source.text, label.span.end.clamp(start, length));
                let annotation = kind.span(start..end);
                if label.message.is_empty() { annotation } else { annotation.label(label.message.as_str()) }
            }));
        group = group.element(snippet);
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    let origin = diagnostic.origin.as_ref().map(|at| format!("from {}:{}:{}", at.path, at.line, at.column));
    if let Some(origin) = &origin {
        group = group.element(Level::NOTE.message(origin.as_str()));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group]).to_string()
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
