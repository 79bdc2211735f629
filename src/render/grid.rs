//! A grid of small coloured cells as an HTML table: readable on a light and on a dark page, and without colours.

use std::fmt::Write;

use super::escape_html;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A few characters.
    pub text: String,
    /// Cells of the same group have the same colour.
    pub group: u32,
}

/// The style of [`html`], once in an output.
pub const STYLE: &str = "table.wb-g{border-collapse:collapse;font:10px/1.25 var(--jp-code-font-family,ui-monospace,monospace);\
    margin:4px 0}.wb-g.wb-g td,.wb-g.wb-g th{border:1px solid rgba(128,128,128,.3);padding:1px 3px;text-align:center;\
    white-space:nowrap;min-width:20px}.wb-g th{opacity:.75;font-weight:normal}.wb-gs{overflow:auto;max-height:640px}";

/// A grid with a caption; labels of columns and of rows stand beside it.
pub fn html(caption: &str, columns: &[String], rows: &[(String, Vec<Cell>)]) -> String {
    let mut html =
        format!("<div><small>{}</small></div><div class=\"wb-gs\"><table class=\"wb-g\">", escape_html(caption));
    html.push_str("<tr><th></th>");
    for column in columns {
        let _ = write!(html, "<th>{}</th>", escape_html(column));
    }
    html.push_str("</tr>");
    for (label, cells) in rows {
        let _ = write!(html, "<tr><th>{}</th>", escape_html(label));
        for cell in cells {
            // The golden angle keeps neighbours apart; half transparent, it suits any page.
            let hue = (f64::from(cell.group) * 137.508) % 360.0;
            let _ =
                write!(html, "<td style=\"background:hsla({hue:.0},70%,55%,.35)\">{}</td>", escape_html(&cell.text));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_coloured_by_their_group() {
        let row = vec![Cell { text: "T0:0".into(), group: 0 }, Cell { text: "T1<".into(), group: 1 }];
        let html = html("a & b", &["0".into(), "1".into()], &[("0".into(), row)]);
        assert!(html.contains("<td style=\"background:hsla(0,70%,55%,.35)\">T0:0</td>"), "{html}");
        assert!(html.contains("hsla(138,70%,55%,.35)\">T1&lt;</td>") && html.contains("a &amp; b"), "{html}");
    }
}
