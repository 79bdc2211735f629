//! Source locations in MLIR text.

/// The text with every location blanked out, each line where it was: errors and line tables then name the text's own
/// lines. Trailing blanks are taken off.
pub fn blank(text: &str) -> String {
    let blanked =
        spans(text).into_iter().fold((String::with_capacity(text.len()), 0), |(mut out, at), (start, end)| {
            out.push_str(&text[at..start]);
            out.extend(text[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            (out, end)
        });
    let (mut out, at) = blanked;
    out.push_str(&text[at..]);
    let mut result: String = out.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n");
    if text.ends_with('\n') && !result.ends_with('\n') {
        result.push('\n');
    }
    result
}

/// The text without its locations, and without the lines that held nothing else: for reading and editing.
pub fn remove(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in spans(text) {
        out.push_str(text[at..start].trim_end_matches(' '));
        at = end;
        // An alias's whole line goes.
        if out.is_empty() || out.ends_with('\n') {
            at += usize::from(text[at..].starts_with('\n'));
        }
    }
    out.push_str(&text[at..]);
    let end = out.trim_end_matches('\n').len();
    out.truncate(end);
    out.push('\n');
    out
}

/// Byte spans of `loc(…)` behind operations and of `#loc… = …` lines, in order.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let line_start = at == 0 || bytes[at - 1] == b'\n';
        match byte {
            b'"' => at = after_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => at = end_of_line(bytes, at),
            b'#' if line_start && is_alias(&text[at..]) => {
                let end = end_of_line(bytes, at);
                found.push((at, end));
                at = end;
            }
            b'l' if text.is_char_boundary(at) && text[at..].starts_with("loc(") && !preceded_by_word(bytes, at) => {
                let end = after_parentheses(bytes, at + 3);
                found.push((at, end));
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// `#loc = …`, `#loc12 = …`
fn is_alias(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("#loc") else { return false };
    rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with("= loc(")
}

fn preceded_by_word(bytes: &[u8], at: usize) -> bool {
    at > 0
        && (bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'_' | b'.' | b'%' | b'#' | b'@' | b'$'))
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length)
}

/// One past the string that starts at `at`; a string ends at its line's end at the latest.
fn after_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\n' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// One past the parenthesis that closes the one at `at`.
fn after_parentheses(bytes: &[u8], at: usize) -> usize {
    let (mut at, mut depth) = (at, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = after_string(bytes, at);
                continue;
            }
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"#blocked = #ttg.blocked<{order = [0]}>
#loc = loc("kernel.py":3:0)
module {
  tt.func @alloc(%arg0: i32 loc("a)b":1:2)) {
    %0 = foo.bar "loc(x)" : i32 loc(callsite(#loc1 at #loc2)) // loc(3)
  } loc(#loc)
} loc(#loc)
#loc1 = loc(unknown)
"##;

    #[test]
    fn lines_stay_where_they_were() {
        let blanked = blank(TEXT);
        assert_eq!(blanked.lines().count(), TEXT.lines().count());
        assert_eq!(blanked.lines().nth(3), Some("  tt.func @alloc(%arg0: i32               ) {"));
        let fifth = blanked.lines().nth(4).map(str::trim);
        assert!(
            fifth
                .is_some_and(|line| line.starts_with("%0 = foo.bar \"loc(x)\" : i32  ") && line.ends_with("// loc(3)"))
        );
    }

    #[test]
    fn removed_lines_leave_no_gap() {
        assert_eq!(
            remove(TEXT).lines().map(str::trim_start).take(3).collect::<Vec<_>>(),
            ["#blocked = #ttg.blocked<{order = [0]}>", "module {", "tt.func @alloc(%arg0: i32) {"]
        );
        assert!(remove(TEXT).ends_with("\n}\n"));
    }

    #[test]
    fn unfinished_text_is_no_trouble() {
        for text in ["loc(", "loc(\"", "\"", "#loc1 = loc(", "é loc(é", "loc(\"\\"] {
            assert!(blank(text).len() <= text.len(), "{text}");
        }
    }
}
