//! What an output is made of. A view states its facts once, as a [`Document`]; the text and the HTML are both made from
//! it, and neither is put together from strings. All that is written into HTML is escaped by its type.

use maud::{Markup, html};
use serde_json::Value;

use super::array::Array;
use super::diff::Diff;
use super::grid::{Bar, Grid, Way};
use super::meter::Meter;
use super::output::Output;
use super::player::Player;
use super::plot::Plot;
use super::prose::Prose;
use super::sequence::Sequence;
use super::sheet::{Sheet, style};
use super::stages::Panes;
use super::table::Table;
use super::timeline::Drawing;

/// An output: what it shows, in order, and its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    blocks: Vec<Block>,
    facts: Option<Value>,
}

/// One thing that an output shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// The heading of the output.
    Headline(Prose),
    /// A paragraph of one line.
    Line(Prose),
    /// A line of less weight than the others.
    Aside(Prose),
    /// What the reader should know before believing the rest: `warning: …`.
    Warning(Prose),
    /// Lines in which runs of spaces are kept.
    Verbatim(String),
    /// An empty line in the text; in HTML distance is the style's affair.
    Gap,
    /// Rows and columns.
    Table(Table),
    /// Elements of a tensor.
    Array(Array),
    /// Blocks under a line that opens and closes them.
    Fold(Fold),
    /// Columns that stand side by side where there is room. In the text an empty line stands between them.
    Columns(Vec<Vec<Block>>),
    /// Something that the text has in other words, or not at all.
    Alternative(Alternative),
    /// Something that the text leaves out where it gets too long.
    Limited(Limited),
    /// Coloured cells. The text has no picture.
    Grid(Grid),
    /// Shares of a whole. The text has no picture.
    Bar(Bar),
    /// The way of one element. The text has no picture.
    Way(Way),
    /// A share as a short bar. The text has no picture.
    Meter(Meter),
    /// A comparison of two texts. The text has no room for it.
    Diff(Diff),
    /// Texts side by side. The text has no room for them.
    Panes(Panes),
    /// Steps that one goes through. The text has no room for them.
    Player(Player),
    /// What several actors do over steps: letters in the text.
    Timeline(Drawing),
    /// A path through several places. The text has no picture.
    Sequence(Sequence),
    /// A plot. The text has no picture; the output has it as an image too.
    Plot(Plot),
}

/// Blocks under a line that opens and closes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    summary: Prose,
    body: Vec<Block>,
    is_open: bool,
    is_section: bool,
    group: Option<String>,
}

/// Something that the two forms express differently: the text in a few words, the HTML in full.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alternative {
    /// The words of the text; empty for what the text leaves out.
    pub text: String,
    /// Blocks that only the HTML shows.
    pub html: Vec<Block>,
}

/// Something that the text leaves out where it gets too long; the HTML has it always.
#[derive(Clone, Debug, PartialEq)]
pub struct Limited {
    /// Bytes of text that it may reach, with all that stands before it.
    pub most: usize,
    /// Blocks that are hidden while the fold is closed.
    pub body: Vec<Block>,
    /// The line of text in its place.
    pub otherwise: Option<Prose>,
}

impl Fold {
    /// A closed fold that only the HTML has.
    pub fn new(summary: impl Into<Prose>) -> Self {
        Self { summary: summary.into(), body: Vec::new(), is_open: false, is_section: false, group: None }
    }

    /// A fold whose line and blocks the text has too.
    pub fn section(summary: impl Into<Prose>) -> Self {
        Self { is_section: true, ..Self::new(summary) }
    }

    /// Open at first, or closed.
    pub fn open(mut self, is_open: bool) -> Self {
        self.is_open = is_open;
        self
    }

    /// Of the folds of one group no more than one is open.
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = Some(name.into());
        self
    }

    /// With one more block in it.
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.push(block);
        self
    }

    /// Adds a block.
    pub fn push(&mut self, block: impl Into<Block>) {
        self.body.push(block.into());
    }
}

impl Alternative {
    /// These words in the text, these blocks in the HTML.
    pub fn new(text: impl Into<String>, html: impl IntoIterator<Item = Block>) -> Self {
        Self { text: text.into(), html: html.into_iter().collect() }
    }

    /// Words that only the text has: what the HTML shows as a picture or a table elsewhere.
    pub fn in_text(text: impl Into<String>) -> Self {
        Self::new(text, [])
    }

    /// Blocks that only the HTML has.
    pub fn in_html(html: impl IntoIterator<Item = Block>) -> Self {
        Self::new("", html)
    }
}

impl Document {
    /// A document with a headline.
    pub fn new(headline: impl Into<Prose>) -> Self {
        Self::default().with(Block::Headline(headline.into()))
    }

    /// Adds a block.
    pub fn push(&mut self, block: impl Into<Block>) {
        self.blocks.push(block.into());
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl Into<Prose>) {
        self.push(Block::Line(line.into()));
    }

    /// Adds blocks at the end.
    pub fn extend<B: Into<Block>>(&mut self, blocks: impl IntoIterator<Item = B>) {
        self.blocks.extend(blocks.into_iter().map(Into::into));
    }

    /// With one more block.
    pub fn with(mut self, block: impl Into<Block>) -> Self {
        self.push(block);
        self
    }

    /// With these numbers, for programs.
    pub fn with_facts(mut self, facts: Value) -> Self {
        self.facts = Some(facts);
        self
    }

    /// The numbers behind the document as JSON, for programs.
    pub fn facts(&self) -> Option<&Value> {
        self.facts.as_ref()
    }

    /// Its blocks, for a document that it is a part of.
    pub fn into_blocks(self) -> Vec<Block> {
        self.blocks
    }

    /// The text form.
    pub fn text(&self) -> String {
        let mut text = Text::default();
        text.blocks(&self.blocks);
        text.written
    }

    /// The HTML form: one element, with the style of what is in it.
    pub fn html(&self) -> String {
        let mut sheets = vec![Sheet::Tokens, Sheet::Document];
        self.blocks.iter().for_each(|block| block.sheets(&mut sheets));
        sheets.sort_unstable();
        sheets.dedup();
        html! { div.wb-output { (style(sheets)) (blocks(&self.blocks)) } }.into_string()
    }

    /// The output of a cell: the document as text, HTML, SVG and JSON, each where it exists.
    pub fn output(self) -> Output {
        let (text, html) = (self.text(), self.html());
        let svg = self.blocks.iter().find_map(|block| match block {
            Block::Plot(plot) => Some(plot.svg().to_owned()),
            _ => None,
        });
        Output { text, html: Some(html), svg, json: None, facts: self.facts }
    }
}

/// A text that is being written.
#[derive(Default)]
struct Text {
    written: String,
    /// True if a line stands there: the first one may be empty.
    is_begun: bool,
}

impl Text {
    fn line(&mut self, line: &str) {
        if self.is_begun {
            self.written.push('\n');
        }
        self.is_begun = true;
        self.written.push_str(line);
    }

    fn blocks(&mut self, blocks: &[Block]) {
        blocks.iter().for_each(|block| self.block(block));
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Headline(line) | Block::Line(line) | Block::Aside(line) => self.line(&line.text()),
            Block::Warning(line) => self.line(&format!("warning: {}", line.text())),
            Block::Verbatim(text) => self.line(text),
            Block::Gap => self.line(""),
            Block::Table(table) => self.line(&table.text()),
            Block::Array(array) => self.line(array.text()),
            Block::Timeline(drawing) => self.line(&drawing.letters()),
            Block::Fold(fold) if fold.is_section => {
                self.line(&fold.summary.text());
                self.blocks(&fold.body);
            }
            Block::Columns(columns) => self.columns(columns),
            Block::Alternative(Alternative { text, .. }) if !text.is_empty() => self.line(text),
            Block::Limited(Limited { most, body, otherwise }) => match text_of(body) {
                Some(own) if self.written.len() + own.len() < *most => self.line(&own),
                Some(_) => otherwise.iter().for_each(|line| self.line(&line.text())),
                None => {}
            },
            Block::Fold(_)
            | Block::Alternative(_)
            | Block::Grid(_)
            | Block::Bar(_)
            | Block::Way(_)
            | Block::Meter(_)
            | Block::Diff(_)
            | Block::Panes(_)
            | Block::Player(_)
            | Block::Sequence(_)
            | Block::Plot(_) => {}
        }
    }

    fn columns(&mut self, columns: &[Vec<Block>]) {
        for (at, column) in columns.iter().filter_map(|column| text_of(column)).enumerate() {
            if at > 0 {
                self.line("");
            }
            self.line(&column);
        }
    }
}

/// What blocks are in text; `None` where they have none.
fn text_of(blocks: &[Block]) -> Option<String> {
    let mut text = Text::default();
    text.blocks(blocks);
    text.is_begun.then_some(text.written)
}

fn blocks(blocks: &[Block]) -> Markup {
    html! { @for block in blocks { (block.html()) } }
}

impl Block {
    fn html(&self) -> Markup {
        match self {
            Self::Headline(line) => html! { div.wb-document-headline { (line.html()) } },
            Self::Line(line) => html! { div.wb-document-line { (line.html()) } },
            Self::Aside(line) => html! { div.wb-document-line.wb-document-faint { (line.html()) } },
            Self::Warning(line) => html! { div.wb-document-warning { "warning: " (line.html()) } },
            Self::Verbatim(text) => html! { div.wb-document-verbatim { (text) } },
            Self::Gap => html! {},
            Self::Table(table) => table.html(),
            Self::Array(array) => array.html(),
            Self::Fold(fold) => html! {
                details.wb-document-fold open[fold.is_open] name=[&fold.group] {
                    summary.wb-document-summary { (fold.summary.html()) }
                    (blocks(&fold.body))
                }
            },
            Self::Columns(columns) => html! {
                div.wb-document-columns {
                    @for column in columns {
                        div.wb-document-column { (blocks(column)) }
                    }
                }
            },
            Self::Alternative(Alternative { html, .. }) => blocks(html),
            Self::Limited(Limited { body, .. }) => blocks(body),
            Self::Grid(grid) => grid.html(),
            Self::Bar(bar) => bar.html(),
            Self::Way(way) => way.html(),
            Self::Meter(meter) => meter.html(),
            Self::Diff(diff) => diff.html(),
            Self::Panes(panes) => panes.html(),
            Self::Player(player) => player.html(),
            Self::Timeline(drawing) => drawing.html(),
            Self::Sequence(sequence) => sequence.html(),
            Self::Plot(plot) => plot.html(),
        }
    }

    /// Adds the sheets that its HTML needs, besides the sheets of every output.
    fn sheets(&self, sheets: &mut Vec<Sheet>) {
        let own = match self {
            Self::Headline(_)
            | Self::Line(_)
            | Self::Aside(_)
            | Self::Warning(_)
            | Self::Verbatim(_)
            | Self::Gap
            | Self::Plot(_) => return,
            Self::Fold(Fold { body, .. })
            | Self::Alternative(Alternative { html: body, .. })
            | Self::Limited(Limited { body, .. }) => return body.iter().for_each(|block| block.sheets(sheets)),
            Self::Columns(columns) => return columns.iter().flatten().for_each(|block| block.sheets(sheets)),
            Self::Table(_) => Sheet::Table,
            Self::Array(_) => Sheet::Array,
            Self::Grid(_) | Self::Bar(_) | Self::Way(_) => Sheet::Grid,
            Self::Meter(_) => Sheet::Meter,
            Self::Diff(_) => Sheet::Diff,
            Self::Panes(_) => Sheet::Stages,
            Self::Player(_) => Sheet::Player,
            Self::Timeline(_) => Sheet::Timeline,
            Self::Sequence(_) => Sheet::Sequence,
        };
        sheets.push(own);
    }
}

/// Each kind of element is a block.
macro_rules! blocks_from {
    ($($kind:ident($element:ty)),* $(,)?) => {
        $(impl From<$element> for Block {
            fn from(element: $element) -> Self {
                Self::$kind(element)
            }
        })*
    };
}

blocks_from! {
    Line(Prose), Table(Table), Array(Array), Fold(Fold), Alternative(Alternative), Limited(Limited), Grid(Grid), Bar(Bar),
    Way(Way), Meter(Meter), Diff(Diff), Panes(Panes), Player(Player), Timeline(Drawing), Sequence(Sequence), Plot(Plot),
}

#[cfg(test)]
mod tests {
    use super::super::table::Column;
    use super::*;

    fn table() -> Table {
        Table::new([Column::text("name"), Column::number("bytes")]).row(["a <b>", "12"]).row(["c", "3"])
    }

    #[test]
    fn text_and_html_are_of_one_value() {
        let mut document = Document::new("k v1 · 2 < 3").with(table());
        document.line("`%show a` shows it");
        document.push(Block::Warning("a & b".into()));
        assert_eq!(
            document.text(),
            "k v1 · 2 < 3\nname   bytes\na <b>     12\nc          3\n`%show a` shows it\nwarning: a & b"
        );
        let html = document.html();
        for expected in ["2 &lt; 3", ">a &lt;b&gt;</td>", ">%show a</code> shows it", "warning: a &amp; b"] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
    }

    #[test]
    fn folds_speak_in_the_text_where_they_are_sections() {
        let fold = |fold: Fold| Document::default().with(fold.with(Prose::from("inside")));
        assert_eq!(fold(Fold::new("more")).text(), "");
        assert_eq!(fold(Fold::section("more")).text(), "more\ninside");
        let html = fold(Fold::new("more").open(true).group("g")).html();
        assert!(html.contains("<details class=\"wb-document-fold\" open name=\"g\">"), "{html}");
    }

    #[test]
    fn what_is_too_long_stays_out_of_the_text() {
        let limited = |most| {
            let body = vec![Prose::from("a long line").into()];
            Document::new("head").with(Limited { most, body, otherwise: Some("in the picture".into()) })
        };
        assert_eq!(limited(16).text(), "head\na long line");
        assert_eq!(limited(15).text(), "head\nin the picture");
        assert!(limited(15).html().contains("a long line"));
    }

    #[test]
    fn columns_are_apart_in_the_text() {
        let columns =
            vec![vec![Prose::from("a").into()], vec![], vec![Prose::from("b").into(), Prose::from("c").into()]];
        assert_eq!(Document::default().with(Block::Columns(columns)).text(), "a\n\nb\nc");
    }

    #[test]
    fn an_output_carries_the_sheets_of_its_elements() {
        let html = Document::new("k").with(Fold::new("more").with(table())).html();
        assert!(html.contains(".wb-table-cell") && !html.contains(".wb-grid-frame"), "{html}");
        assert_eq!(html.matches("<style>").count(), 1);
    }
}
