//! Tables whose columns know what they hold: words begin at the left, numbers end at the right under one another.

use maud::{Markup, html};

/// A table with aligned columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    cut: Option<Cut>,
    scrolls: bool,
}

/// A column: its title and what is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    title: String,
    is_number: bool,
    is_left_in_text: bool,
}

/// What stands in a row under a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Text of the cell.
    pub text: String,
    /// How dark it is behind them, 0 to 5. Only the HTML has it.
    pub shade: u8,
    /// True if it matters less than the others. Only the HTML has it.
    pub is_faint: bool,
}

/// Where a table ends before its last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Most rows that the text shows.
    pub text: usize,
    /// Most rows that the HTML shows.
    pub html: usize,
    /// What the line after them counts: `… 12 more rows`; empty for `… 12 more`.
    pub what: &'static str,
}

impl Column {
    /// A column of words.
    pub fn text(title: impl Into<String>) -> Self {
        Self { title: title.into(), is_number: false, is_left_in_text: false }
    }

    /// A column of numbers.
    pub fn number(title: impl Into<String>) -> Self {
        Self { is_number: true, ..Self::text(title) }
    }

    /// The same, but the text form begins it at the left, as it does words.
    pub fn left_in_text(mut self) -> Self {
        self.is_left_in_text = true;
        self
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cut {
    fn line(&self, rows: usize, shown: usize) -> Option<String> {
        let space = if self.what.is_empty() { "" } else { " " };
        (rows > shown).then(|| format!("… {} more{space}{}", rows - shown, self.what))
    }
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), ..Self::default() }
    }

    /// A table of words, by its titles.
    pub fn from_titles<const N: usize>(titles: [&str; N]) -> Self {
        Self::new(titles.map(Column::text))
    }

    /// With one more row. It may have fewer cells than there are columns.
    pub fn row<C: Into<Cell>>(mut self, cells: impl IntoIterator<Item = C>) -> Self {
        self.push(cells);
        self
    }

    /// With more rows.
    pub fn rows<C: Into<Cell>, R: IntoIterator<Item = C>>(mut self, rows: impl IntoIterator<Item = R>) -> Self {
        rows.into_iter().for_each(|row| self.push(row));
        self
    }

    /// Adds a row.
    pub fn push<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Cut after some rows.
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// In a box that scrolls, where it is high.
    pub fn scrolling(mut self) -> Self {
        self.scrolls = true;
        self
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As aligned lines.
    pub fn text(&self) -> String {
        let shown = self.cut.map_or(self.rows.len(), |cut| cut.text.min(self.rows.len()));
        let titles: Vec<&str> = self.columns.iter().map(|column| column.title.as_str()).collect();
        let rows = self.rows[..shown].iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect());
        let lines: Vec<Vec<&str>> = std::iter::once(titles).chain(rows).collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let is_right =
            |at: usize| self.columns.get(at).is_some_and(|column| column.is_number && !column.is_left_in_text);
        let line = |cells: &Vec<&str>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
                if is_right(at) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines: Vec<String> = lines.iter().map(line).collect();
        lines.extend(self.cut.and_then(|cut| cut.line(self.rows.len(), shown)));
        lines.join("\n")
    }

    /// The table as HTML.
    pub fn html(&self) -> Markup {
        let shown = self.cut.map_or(self.rows.len(), |cut| cut.html.min(self.rows.len()));
        let more = self.cut.and_then(|cut| cut.line(self.rows.len(), shown));
        let table = html! {
            table.wb-table {
                thead {
                    tr.wb-table-row {
                        @for column in &self.columns {
                            th.wb-table-title.wb-table-number[column.is_number] scope="col" { (column.title) }
                        }
                    }
                }
                tbody {
                    @for row in &self.rows[..shown] {
                        tr.wb-table-row {
                            @for (at, cell) in row.iter().enumerate() { (self.cell(at, cell)) }
                        }
                    }
                }
            }
        };
        html! {
            @if self.scrolls { div.wb-table-box tabindex="0" { (table) } } @else { (table) }
            @if let Some(more) = more { div.wb-table-more { (more) } }
        }
    }

    fn cell(&self, at: usize, cell: &Cell) -> Markup {
        let is_number = self.columns.get(at).is_some_and(|column| column.is_number);
        let shade = match cell.shade {
            0 => None,
            1 => Some("wb-table-shade-1"),
            2 => Some("wb-table-shade-2"),
            3 => Some("wb-table-shade-3"),
            4 => Some("wb-table-shade-4"),
            _ => Some("wb-table-shade-5"),
        };
        html! {
            td.wb-table-cell.wb-table-number[is_number].wb-table-faint[cell.is_faint].(shade.unwrap_or_default())[shade.is_some()] {
                (cell.text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_and_numbers_end_in_line() {
        let table = Table::new([Column::text("name"), Column::number("bytes"), Column::number("at").left_in_text()])
            .row(["a", "1", "7"])
            .row(["<b>", "10"]);
        assert_eq!(table.text(), "name  bytes  at\na         1  7\n<b>      10");
        let html = table.html().into_string();
        assert!(html.contains("<td class=\"wb-table-cell\">&lt;b&gt;</td>"), "{html}");
        assert!(html.contains("<td class=\"wb-table-cell wb-table-number\">10</td>"), "{html}");
        assert!(html.contains("<td class=\"wb-table-cell wb-table-number\">7</td>"), "{html}");
    }

    #[test]
    fn a_long_table_is_cut() {
        let rows = || (0..5).map(|at| [at.to_string()]);
        let table = Table::from_titles(["x"]).rows(rows()).cut(Cut { text: 2, html: 4, what: "rows" });
        assert_eq!(table.text(), "x\n0\n1\n… 3 more rows");
        let html = table.html().into_string();
        assert!(html.contains(">3</td>") && !html.contains(">4</td>") && html.contains("… 1 more rows"), "{html}");
        let table = Table::from_titles(["x"]).rows(rows()).cut(Cut { text: 9, html: 9, what: "" });
        assert!(!table.text().contains("more") && !table.html().into_string().contains("more"));
    }

    #[test]
    fn cells_may_be_dark_or_faint() {
        let cell = |shade, is_faint| Cell { text: "1".into(), shade, is_faint };
        let html = Table::from_titles(["x"]).row([cell(3, false), cell(0, true)]).html().into_string();
        assert!(html.contains("class=\"wb-table-cell wb-table-shade-3\""), "{html}");
        assert!(html.contains("class=\"wb-table-cell wb-table-faint\""), "{html}");
    }
}
