//! The style sheets. Each kind of element has its own, whose classes begin with the name of the sheet, and every output
//! carries those of its elements: JupyterLab has all outputs of a notebook in one document, and nothing else keeps one
//! from restyling another. What they share (typeface, sizes, colours) stands in `tokens.css` alone.

use maud::{Markup, PreEscaped, html};

/// A style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sheet {
    /// Typeface, sizes and colours of all others: in every output.
    Tokens,
    /// Headlines, lines, folds, columns: in every output.
    Document,
    /// Tables of text and numbers.
    Table,
    /// Elements of a tensor.
    Array,
    /// Grids of coloured cells, bars and ways.
    Grid,
    /// Comparisons of two texts.
    Diff,
    /// Texts side by side.
    Stages,
    /// Steps that one goes through.
    Player,
    /// What several actors do over steps.
    Timeline,
    /// A path through several places.
    Sequence,
    /// A share of a whole as a short bar.
    Meter,
}

impl Sheet {
    fn rules(self) -> &'static str {
        match self {
            Self::Tokens => include_str!("styles/tokens.css"),
            Self::Document => include_str!("styles/document.css"),
            Self::Table => include_str!("styles/table.css"),
            Self::Array => include_str!("styles/array.css"),
            Self::Grid => include_str!("styles/grid.css"),
            Self::Diff => include_str!("styles/diff.css"),
            Self::Stages => include_str!("styles/stages.css"),
            Self::Player => include_str!("styles/player.css"),
            Self::Timeline => include_str!("styles/timeline.css"),
            Self::Sequence => include_str!("styles/sequence.css"),
            Self::Meter => include_str!("styles/meter.css"),
        }
    }
}

/// The rules of these sheets as an element, without the comments and indentation that are for who reads the files.
pub fn style(sheets: impl IntoIterator<Item = Sheet>) -> Markup {
    let mut rules = String::new();
    for sheet in sheets {
        let mut rest = sheet.rules();
        while let Some((before, after)) = rest.split_once("/*") {
            push_lines(before, &mut rules);
            rest = after.split_once("*/").map_or("", |(_, after)| after);
        }
        push_lines(rest, &mut rules);
    }
    html! { style { (PreEscaped(rules)) } }
}

fn push_lines(text: &str, rules: &mut String) {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| {
        rules.push_str(line);
        rules.push('\n');
    });
}
