//! Small tables.

use super::escape_html;

/// Rows, the first of which is the header, as aligned text and as an HTML table.
pub fn both(rows: &[Vec<String>]) -> (String, String) {
    (text(rows), html(rows))
}

fn text(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn html(rows: &[Vec<String>]) -> String {
    let mut html = String::from("<table style=\"text-align:left\">");
    for (index, row) in rows.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        html.push_str("<tr>");
        for cell in row {
            html.push_str(&format!("<{tag} style=\"text-align:left\">{}</{tag}>", escape_html(cell)));
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
}
