//! The scripts of views, as they stand in an output.

use maud::{Markup, PreEscaped, html};

/// A script as an element, without the comments and indentation that are for who reads the file. A comment has its lines
/// for itself, and each line of a long one begins with `*`.
pub fn script(text: &str) -> Markup {
    let is_code = |line: &&str| !line.is_empty() && !["//", "/*", "*"].iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(is_code).collect();
    html! { script { (PreEscaped(lines.join("\n"))) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_left_out() {
        let text =
            "// @ts-check\n(() => {\n  /** @type {number} */\n  /**\n   * @param {number} x\n   */\n  f(1);\n})();\n";
        assert_eq!(script(text).into_string(), "<script>(() => {\nf(1);\n})();</script>");
    }

    #[test]
    fn no_script_ends_its_element_or_looks_like_a_comment() {
        for text in [include_str!("scripts/stages.js"), include_str!("scripts/player.js")] {
            let script = script(text).into_string();
            assert_eq!(script.matches("</").count(), 1, "{script}");
            assert!(!script.contains("/**") && !script.contains("@param"), "{script}");
        }
    }
}
