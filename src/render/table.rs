//! Small tables.

use std::ops::Range;

use super::escape_html;

/// Rows, the first of which is the header, as aligned text and as an HTML table.
pub fn both(rows: &[Vec<String>]) -> (String, String) {
    with_numbers(rows, &(0..0))
}

/// The same with numbers in some columns, aligned at their right.
pub fn with_numbers(rows: &[Vec<String>], numbers: &Range<usize>) -> (String, String) {
    (text(rows, numbers), html(rows, numbers))
}

fn text(rows: &[Vec<String>], numbers: &Range<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn html(rows: &[Vec<String>], numbers: &Range<usize>) -> String {
    let mut html = String::from("<table style=\"text-align:left\">");
    for (index, row) in rows.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let side = if numbers.contains(&column) { "right" } else { "left" };
            html.push_str(&format!(
                "<{tag} style=\"text-align:{side};padding:1px 12px 1px 0\">{}</{tag}>",
                escape_html(cell)
            ));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_html_is_escaped() {
        let rows = vec![vec!["name".to_owned(), "x".to_owned()], vec!["a".to_owned(), "<1>".to_owned()]];
        let (text, html) = both(&rows);
        assert_eq!(text, "name  x\na     <1>");
        assert!(html.contains("&lt;1&gt;"));
    }
    #[test]
    fn numbers_stand_at_the_right() {
        let rows = vec![vec!["name".to_owned(), "bytes".to_owned()], vec!["a".to_owned(), "1".to_owned()]];
        let (text, html) = with_numbers(&rows, &(1..2));
        assert_eq!(text, "name  bytes\na         1");
        assert!(html.contains("<td style=\"text-align:right;padding:1px 12px 1px 0\">1</td>"), "{html}");
    }
}
