//! HTML is written in `src/render` alone: elsewhere no string has a tag, a class or a style in it.

use proc_macro2::{TokenStream, TokenTree};
use regex::Regex;

use super::{Check, Outcome};
use crate::workspace::Workspace;

/// The check.
pub const CHECK: Check = Check { name: "markup", run };

const MARKUP: &str = r#"<(?:div|span|table|tr|td|th|pre|code|details|summary|style|script|svg|br|small|strong|[bip])(?:[ />]|$)|(?:style|class)=\\?""#;

fn run(workspace: &Workspace) -> Outcome {
    let markup = match Regex::new(MARKUP) {
        Ok(markup) => markup,
        Err(error) => return Outcome { problems: vec![error.to_string()], ..Outcome::default() },
    };
    let mut outcome = Outcome::default();
    let mut count = 0;
    let is_kernel = |path: &str| path.starts_with("src/") && !path.starts_with("src/render/");
    for file in workspace.files.iter().filter(|file| is_kernel(&file.path)) {
        count += 1;
        let mut strings = Vec::new();
        match file.text.parse() {
            Ok(tokens) => strings_of(tokens, &mut strings),
            Err(error) => outcome.problems.push(format!("{}: {error}", file.path)),
        }
        outcome.problems.extend(strings.iter().filter_map(|(line, string)| {
            let found = markup.find(string)?.as_str();
            Some(format!("{}:{line}: `{found}`: a view makes a `render::Document`", file.path))
        }));
    }
    outcome.summary = format!("{count} files outside src/render, {} strings of HTML", outcome.problems.len());
    outcome
}

/// The string literals, each with its line.
fn strings_of(tokens: TokenStream, strings: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => strings_of(group.stream(), strings),
            TokenTree::Literal(literal) => strings.push((literal.span().start().line, literal.to_string())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_attributes_are_found() {
        let markup = Regex::new(MARKUP).expect("a pattern");
        for text in ["<div", "<b>{}</b>", "a <br> b", "<td class={}", " style=\\\"margin:0\\\"", "class=\"x\""] {
            assert!(markup.is_match(text), "{text}");
        }
        for text in ["a < b", "Vec<Box<T>>", "<details of it", "tensor<64x64xf32>", "<b0>"] {
            let is_sentence = text.starts_with("<details");
            assert_eq!(markup.is_match(text), is_sentence, "{text}");
        }
    }
}
