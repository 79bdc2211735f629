//! Where each line of a text comes from: locations of MLIR, debug information of LLVM IR, `.loc` of PTX.

use std::collections::HashMap;

use warpbook_ptx::lines;

/// A file, line and column in an earlier text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file's name, without its directory: `matmul.py`.
    pub file: String,
    /// From 1; 0 where the compiler gave none.
    pub line: u32,
}

/// The places of each line, innermost call first; a line without any has an empty list.
pub type Places = Vec<Vec<Place>>;

/// The places of TTIR's and TTGIR's lines, by their `loc(…)`. An operation with a region has its location behind the
/// closing brace: the line that opens it has it too.
pub fn read_mlir(text: &str) -> Places {
    let aliases: HashMap<&str, &str> = text
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("#loc").and_then(|_| line.split_once(" = "))?;
            Some((name, rest.strip_prefix("loc(")?.strip_suffix(')')?))
        })
        .collect();
    let mut places: Places = Vec::new();
    let mut opened: Vec<usize> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let mut found = Vec::new();
        if !line.starts_with("#loc")
            && let Some(start) = line.rfind(" loc(")
            && let Some(inner) = line[start + 5..].trim_end().strip_suffix(')')
        {
            resolve(inner, &aliases, 0, &mut found);
        }
        if trimmed.starts_with('}')
            && let Some(open) = opened.pop()
            && let Some(slot) = places.get_mut(open)
            && slot.is_empty()
        {
            slot.clone_from(&found);
        }
        if trimmed.ends_with('{') && !trimmed.starts_with("//") {
            // The last one is an argument's own.
            found.truncate(usize::from(trimmed.contains("tt.func")));
            opened.push(at);
        }
        places.push(found);
    }
    places
}

/// How deep locations may refer to one another.
const DEEPEST: usize = 16;

fn resolve(text: &str, aliases: &HashMap<&str, &str>, depth: usize, found: &mut Vec<Place>) {
    let text = text.trim();
    if depth > DEEPEST {
        return;
    }
    if let Some(inner) = text.strip_prefix("loc(").and_then(|rest| rest.strip_suffix(')')) {
        resolve(inner, aliases, depth + 1, found);
    } else if text.starts_with('#') {
        if let Some(inner) = aliases.get(text) {
            resolve(inner, aliases, depth + 1, found);
        }
    } else if let Some(inner) = text.strip_prefix("callsite(").and_then(|rest| rest.strip_suffix(')')) {
        if let Some((callee, caller)) = split_at(inner) {
            resolve(callee, aliases, depth + 1, found);
            resolve(caller, aliases, depth + 1, found);
        }
    } else if let Some(rest) = text.strip_prefix("fused") {
        let list = rest.find('[').zip(rest.rfind(']')).and_then(|(open, close)| rest.get(open + 1..close));
        for part in list.into_iter().flat_map(|list| list.split(", ")) {
            resolve(part, aliases, depth + 1, found);
        }
    } else if let Some(rest) = text.strip_prefix('"')
        && let Some((name, rest)) = rest.split_once('"')
    {
        if let Some(rest) = rest.strip_prefix(':') {
            let line = rest.split([':', ' ']).next().and_then(|line| line.parse().ok()).unwrap_or(0);
            push(Place { file: file_name(name), line }, found);
        } else if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            resolve(inner, aliases, depth + 1, found);
        }
    }
}

/// The two sides of ` at ` outside of brackets.
fn split_at(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && text[at..].starts_with(" at ") => return Some((&text[..at], &text[at + 4..])),
            _ => {}
        }
    }
    None
}

fn push(place: Place, found: &mut Vec<Place>) {
    if !found.contains(&place) {
        found.push(place);
    }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// The places of LLVM IR's lines, by `!dbg`.
pub fn read_llvm(text: &str) -> Places {
    let nodes: HashMap<&str, &str> =
        text.lines().filter(|line| line.starts_with('!')).filter_map(|line| line.split_once(" = ")).collect();
    let file_of = |scope: &str| -> Option<String> {
        let mut scope = *nodes.get(scope)?;
        for _ in 0..DEEPEST {
            if let Some(name) = field(scope, "filename") {
                return Some(file_name(name.trim_matches('"')));
            }
            let next = field(scope, "file").or_else(|| field(scope, "scope"))?;
            scope = nodes.get(next)?;
        }
        None
    };
    let mut known: HashMap<&str, Vec<Place>> = HashMap::new();
    let mut places = Vec::new();
    for line in text.lines() {
        let Some(node) = debug_node(line) else {
            places.push(Vec::new());
            continue;
        };
        let found = known.entry(node).or_insert_with(|| {
            let (mut found, mut next) = (Vec::new(), Some(node));
            for _ in 0..DEEPEST {
                let Some(location) = next.and_then(|node| nodes.get(node)) else { break };
                let line = field(location, "line").and_then(|line| line.parse().ok());
                let file = field(location, "scope").or_else(|| field(location, "file")).and_then(file_of);
                if let (Some(line), Some(file)) = (line, file) {
                    push(Place { file, line }, &mut found);
                }
                next = field(location, "inlinedAt");
            }
            found
        });
        places.push(found.clone());
    }
    places
}

/// `!12` of `…, !dbg !12`.
fn debug_node(line: &str) -> Option<&str> {
    let rest = &line[line.find("!dbg !")? + 5..];
    let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
    Some(&rest[..end])
}

/// The value of `name: value` in a metadata node.
fn field<'a>(node: &'a str, name: &str) -> Option<&'a str> {
    let at = node
        .match_indices(name)
        .find(|&(at, _)| node[at + name.len()..].starts_with(": ") && node[..at].ends_with(['(', ' ']))?;
    let value = &node[at.0 + name.len() + 2..];
    Some(value[..value.find([',', ')']).unwrap_or(value.len())].trim())
}

/// The places of PTX's lines, by the `.loc` before them; lines that hold no instruction have none.
pub fn read_ptx(text: &str) -> Places {
    let files: HashMap<&str, String> = text
        .lines()
        .filter_map(|line| {
            let (number, name) = line.trim().strip_prefix(".file")?.trim().split_once([' ', '\t'])?;
            Some((number, file_name(name.trim().trim_start_matches('"').split('"').next().unwrap_or(name))))
        })
        .collect();
    let mut current: Vec<Place> = Vec::new();
    let mut places = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        let mut own = Vec::new();
        if let Some(rest) = trimmed.strip_prefix(".loc") {
            let mut words = rest.split_whitespace();
            let (file, line) = (words.next(), words.next().and_then(|line| line.parse().ok()));
            current.clear();
            if let (Some(file), Some(line)) = (file.and_then(|file| files.get(file)), line) {
                current.push(Place { file: file.clone(), line });
            }
            // LLVM says in a comment where the call was: `// a.py:40:22 @[ k.py:7:24 ]`.
            for call in rest.split("@[ ").skip(1) {
                let mut parts = call.split_whitespace().next().unwrap_or_default().rsplitn(3, ':');
                let (_, line, file) = (parts.next(), parts.next().and_then(|line| line.parse().ok()), parts.next());
                if let (Some(line), Some(file)) = (line, file) {
                    push(Place { file: file_name(file), line }, &mut current);
                }
            }
        } else if lines::is_instruction(trimmed) {
            own.clone_from(&current);
        } else if trimmed == "}" && line.starts_with('}') {
            current.clear();
        }
        places.push(own);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(places: Places) -> Vec<String> {
        let show = |place: &Place| format!("{}:{}", place.file, place.line);
        places.iter().map(|line| line.iter().map(show).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn mlir() {
        let text = r##"#loc = loc("/x/k.py":3:0)
module {
  tt.func @k(%a: i32 loc("/x/k.py":3:4)) {
    %0 = foo.bar : i32 loc(#loc4)
    scf.for %i {
      foo.baz loc(fused[#loc1, "n"("k.py":9:1)])
    } loc(#loc2)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("k.py":5:2)
#loc2 = loc("k.py":6:2)
#loc3 = loc("/lib/standard.py":40:2)
#loc4 = loc(callsite(#loc3 at #loc1))
#loc5 = loc(unknown)
"##;
        let places = shown(read_mlir(text));
        assert_eq!(
            places[1..9],
            ["k.py:3", "k.py:3", "standard.py:40 k.py:5", "k.py:6", "k.py:5 k.py:9", "k.py:6", "k.py:3", "k.py:3"]
        );
    }

    #[test]
    fn llvm() {
        let text = "define void @k() !dbg !5 {\n  %1 = add i32 1, 2, !dbg !8\n  ret void\n}\n\
                    !3 = !DIFile(filename: \"k.py\", directory: \"/x\")\n\
                    !5 = distinct !DISubprogram(name: \"k\", file: !3, line: 5, unit: !2)\n\
                    !8 = !DILocation(line: 40, column: 24, scope: !5, inlinedAt: !9)\n\
                    !9 = !DILocation(line: 7, column: 24, scope: !5)\n";
        assert_eq!(shown(read_llvm(text))[..4], ["k.py:5", "k.py:40 k.py:7", "", ""]);
    }

    #[test]
    fn ptx() {
        let text = "\tmov.u32 %r1, 1;\n\t.loc 1 5 0 // k.py:5:0 @[ j.py:7:24 ]\n$L:\n\tadd.s32 %r1, %r1, 1;\n}\n\
                    \tret;\n\t.file\t1 \"/x/k.py\"\n";
        assert_eq!(shown(read_ptx(text)), ["", "", "", "k.py:5 j.py:7", "", "", ""]);
    }

    #[test]
    fn broken_text_is_no_panic() {
        for text in ["#loc1 = loc(#loc1)\na loc(#loc1)", "x loc(", "x loc(\"", "!dbg !", "a !dbg !é", ".loc é", "}\n}"]
        {
            let _ = (read_mlir(text), read_llvm(text), read_ptx(text));
        }
    }
}
