//! What the text of TTIR and TTGIR says of a kernel's signature and of its module.
//!
//! This reads the parts of MLIR's syntax that Triton 3.2 to 3.9 prints for `module` and `tt.func`; whether the text
//! is valid is the compiler's to say.

use std::ops::Range;

/// A `tt.func` of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name of the function, without `@`.
    pub name: String,
    /// True if it is `private`: a helper, not a kernel.
    pub is_private: bool,
    /// Arguments in order.
    pub arguments: Vec<Argument>,
    /// Bytes of the name.
    pub span: Range<usize>,
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Name of the argument, without `%`.
    pub name: String,
    /// Its type as it is written: `!tt.ptr<f16>`.
    pub ty: String,
    /// Its attributes as they are written, without braces.
    pub attributes: Vec<(String, String)>,
    /// Bytes of the whole argument.
    pub span: Range<usize>,
}

impl Argument {
    /// The value of `tt.divisibility`, if the argument has it.
    pub fn divisibility(&self) -> Option<u32> {
        let (_, value) = self.attributes.iter().find(|(name, _)| name == "tt.divisibility")?;
        integer(value)
    }
}

/// The integer of `16 : i32`.
pub fn integer(value: &str) -> Option<u32> {
    value.split(':').next()?.trim().parse().ok()
}

/// Every `tt.func` of a text.
pub fn functions(text: &str) -> Vec<Function> {
    text.match_indices("tt.func").filter_map(|(at, keyword)| function(text, at + keyword.len())).collect()
}

fn function(text: &str, at: usize) -> Option<Function> {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if text[line_start..at].contains("//") {
        return None;
    }
    let open = at + unquoted(&text[at..]).find(|&(_, c)| c == '(')?.0;
    let head = &text[at..open];
    let sign = head.find('@')?;
    let name = head[sign + 1..].trim().trim_matches('"');
    let end = closing(text, open)?;
    let arguments = split(text, open + 1..end).into_iter().filter_map(|span| argument(text, span)).collect();
    let is_private = head[..sign].split_whitespace().any(|word| word == "private");
    Some(Function { name: name.to_owned(), is_private, arguments, span: at + sign + 1..open })
}

fn argument(text: &str, span: Range<usize>) -> Option<Argument> {
    let content = &text[span.clone()];
    let (name, rest) = content.split_once(':')?;
    // The type ends where attributes or a location begin, outside of its own brackets.
    let rest = rest.trim_start();
    let end = top_level(rest).find(|&(at, c)| c == '{' || c.is_whitespace() || rest[at..].starts_with("loc("));
    let (ty, rest) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
    let rest = rest.trim_start();
    let attributes = match rest.starts_with('{').then(|| closing(rest, 0)).flatten() {
        Some(end) => attributes(&rest[1..end]),
        None => Vec::new(),
    };
    let name = name.trim().strip_prefix('%')?.to_owned();
    Some(Argument { name, ty: ty.trim().to_owned(), attributes, span })
}

/// `name = value` pairs apart by commas; a name without a value has an empty one. Quotes around names are taken off.
fn attributes(text: &str) -> Vec<(String, String)> {
    let pair = |span: Range<usize>| {
        let (name, value) = text[span.clone()].split_once('=').unwrap_or((&text[span], ""));
        (name.trim().trim_matches('"').to_owned(), value.trim().to_owned())
    };
    split(text, 0..text.len()).into_iter().map(pair).collect()
}

/// The attributes of the text's `module`.
pub fn module_attributes(text: &str) -> Vec<(String, String)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let head = line.trim_start();
        if head.starts_with("module") {
            let at = start + line.len() - head.len();
            let Some(open) = text[at..].find('{').map(|open| at + open) else { break };
            if !text[at..open].contains("attributes") {
                break;
            }
            return closing(text, open).map(|end| attributes(&text[open + 1..end])).unwrap_or_default();
        }
        start += line.len();
    }
    Vec::new()
}

/// The bracket that closes the one at `open`.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in unquoted(&text[open..]) {
        match c {
            '(' | '<' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            // `->` closes nothing.
            '>' if !text[..open + at].ends_with('-') => depth = depth.checked_sub(1)?,
            _ => continue,
        }
        if depth == 0 {
            return Some(open + at);
        }
    }
    None
}

/// The parts between commas that are in no bracket, trimmed; no empty ones.
pub(super) fn split(text: &str, span: Range<usize>) -> Vec<Range<usize>> {
    let content = &text[span.clone()];
    let mut commas: Vec<usize> = top_level(content).filter(|&(_, c)| c == ',').map(|(at, _)| at).collect();
    commas.push(content.len());
    let mut parts = Vec::with_capacity(commas.len());
    let mut start = 0;
    for comma in commas {
        let part = &content[start..comma];
        let from = span.start + start + (part.len() - part.trim_start().len());
        if !part.trim().is_empty() {
            parts.push(from..from + part.trim().len());
        }
        start = comma + 1;
    }
    parts
}

/// Characters in no bracket and no string; an opening bracket itself counts as outside.
fn top_level(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut depth = 0_usize;
    unquoted(text).filter(move |&(at, c)| {
        let outside = depth == 0;
        match c {
            '(' | '<' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '>' if !text[..at].ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        outside
    })
}

/// Characters that are in no string.
pub(super) fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut inside, mut escaped) = (false, false);
    text.char_indices().filter(move |&(_, c)| {
        let was_inside = inside;
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        !was_inside && !inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Triton 3.4 writes it, and a private function.
    const TTGIR: &str = r#"#blocked = #ttg.blocked<{sizePerThread = [1], order = [0]}>
module attributes {"ttg.num-ctas" = 1 : i32, "ttg.num-warps" = 4 : i32, ttg.target = "cuda:80"} {
  // tt.func public @not_this(%arg0: i32)
  tt.func private @"helper.f(x)"(%arg0: tensor<4xf32, #blocked> loc("a)b.py":1:2)) -> i32 attributes {noinline = true} {
  }
  tt.func public @add(%arg0: !tt.ptr<f16> {tt.divisibility = 16 : i32} loc("/tmp/k.py":4:0), %arg1: !tt.tensordesc<tensor<128x64xf16>>,
      %n: i32 {tt.divisibility = 8 : i32, tt.other = [1, 2]}, %alpha: f32 loc(unknown)) attributes {noinline = false} {
    tt.return
  }
}
"#;

    #[test]
    fn signatures_are_read() {
        let [helper, add] = functions(TTGIR).try_into().expect("two functions");
        assert_eq!((helper.name.as_str(), helper.is_private), ("helper.f(x)", true));
        assert_eq!((add.name.as_str(), add.is_private), ("add", false));
        assert_eq!(&TTGIR[add.span.clone()], "add");
        let shown: Vec<_> = add.arguments.iter().map(|a| (&*a.name, &*a.ty, a.divisibility())).collect();
        assert_eq!(
            shown,
            [
                ("arg0", "!tt.ptr<f16>", Some(16)),
                ("arg1", "!tt.tensordesc<tensor<128x64xf16>>", None),
                ("n", "i32", Some(8)),
                ("alpha", "f32", None),
            ]
        );
        assert_eq!(functions("tt.func public @k() {}")[0].arguments, []);
    }

    #[test]
    fn broken_text_is_no_panic() {
        for length in 0..TTGIR.len() {
            let _ = (functions(&TTGIR[..length]), module_attributes(&TTGIR[..length]));
        }
    }

    #[test]
    fn module_attributes_are_read() {
        let attributes = module_attributes(TTGIR);
        let value = |name: &str| attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("ttg.num-warps").and_then(integer), Some(4));
        assert_eq!(value("ttg.target"), Some("\"cuda:80\""));
        assert_eq!(module_attributes("module {\n}"), []);
    }
}
