//! `docs/magics.md`: the page of all magics, written from their declarations, and the test that holds it to them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use super::declare::Declared;
use super::registry::specs;
use super::{Example, Kind, Spec};
use warpbook_test_support::generated::check_file;

const INTRODUCTION: &str = "\
# Magics

This page is written from the declarations of the magics in `src/magics`: `cargo xtask codegen`. `%NAME --help` shows the
same in a notebook.

A *line magic* (`%name`) takes one line; a *cell magic* (`%%name`) takes the whole cell. A cell that begins with no magic is
Rust. In a usage line `[…]` may be left out, and `…` after an argument stands for more of the same. Options may stand
before, between or after the arguments, unless an argument takes the rest of the line.

";

/// The text of the page.
fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let anchors = anchors();
    page += "| magic | |\n| --- | --- |\n";
    for (spec, anchor) in specs().zip(&anchors) {
        let _ = writeln!(page, "| [`{}`](#{anchor}) | {} |", spec.title(), spec.summary.replace('|', "\\|"));
    }
    for spec in specs() {
        page += &section(spec);
    }
    page
}

/// The anchors that GitHub gives the headings, in the order of the reference: a name that was there before gets a number.
fn anchors() -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let anchor = |spec: &'static Spec| {
        let before = seen.entry(spec.name).or_default();
        *before += 1;
        match *before {
            1 => spec.name.to_owned(),
            count => format!("{}-{}", spec.name, count - 1),
        }
    };
    specs().map(anchor).collect()
}

fn section(spec: &Spec) -> String {
    let mut text = format!("\n## `{}`\n\n", spec.title());
    let _ = writeln!(text, "{}.\n\n```text\n{}\n```", capitalized(spec.summary), usage(spec));
    text += &list(spec.arguments);
    text += &list(spec.options);
    for paragraph in spec.details.lines().filter(|paragraph| !paragraph.is_empty()) {
        let _ = write!(text, "\n{paragraph}\n");
    }
    for example in spec.examples {
        text += &shown(example);
    }
    text
}

/// The usage line; a cell magic's shows that a body follows.
fn usage(spec: &Spec) -> String {
    match spec.kind {
        Kind::Line => spec.usage_line(),
        Kind::Cell => format!("{}\n…", spec.usage_line()),
    }
}

/// A list of arguments, each with what it is for.
fn list(arguments: &[&dyn Declared]) -> String {
    let lines = arguments.iter().map(|argument| format!("- `{}`: {}\n", argument.label(), argument.help()));
    let lines: String = lines.collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// An example, under what it needs.
fn shown(example: &Example) -> String {
    let needs = match example.needs.description() {
        "" => "Example:".to_owned(),
        needs => format!("Example, {needs}:"),
    };
    format!("\n{needs}\n\n```text\n{}\n```\n", example.cell.trim_end())
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[test]
fn the_page_says_what_the_magics_declare() {
    check_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/magics.md"), &page());
}
