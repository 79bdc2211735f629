//! Where the values of a kernel are defined in the text of TTIR or TTGIR, and which regions surround them.
//!
//! This reads the lines of MLIR's own printing: an operation begins on a line of its own, and its regions are in braces
//! that stay open at the end of a line.

use super::mlir;

/// A value of the IR, and where it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// As an operand names it: `%27`, `%27#1`, `%arg0`.
    pub name: String,
    /// The line that defines it, from 0.
    pub line: usize,
    /// The line before which other operations can use it, from 0.
    pub insert: usize,
    /// The loops around that place, outermost first.
    pub loops: Vec<Loop>,
    /// Why nothing can be put at that place.
    pub obstacle: Option<Obstacle>,
}

/// A loop of the IR: `scf.for`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The induction variable: `%arg5`.
    pub index: String,
    /// First value of the induction variable.
    pub lower: String,
    /// Increment of the induction variable.
    pub step: String,
    /// Type of the induction variable: `i32`, `i64` or `index`.
    pub ty: String,
}

/// What is in the way of an operation with side effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The body of a function that the kernel calls, by its name.
    Function(String),
    /// The region of an operation such as `tt.reduce`.
    Region(String),
    /// A partition of `ttg.warp_specialize`, which sees no values from outside.
    Partition,
    /// A `scf.while` loop, which has no counter of iterations.
    While,
}

/// What a brace that is still open belongs to.
#[derive(Clone, Debug)]
enum Region {
    Bracket,
    Module,
    Function(String),
    For(Loop),
    While,
    Partition,
    /// `scf.if`, `default` of a warp specialisation: nothing to know.
    Plain,
    Other(String),
}

/// An operation whose end is not reached yet.
struct Pending {
    depth: usize,
    line: usize,
    names: Vec<String>,
}

/// Every value that is defined in the functions of a text, in order. `kernel` is the function that is launched.
pub fn definitions(text: &str, kernel: &str) -> Vec<Definition> {
    let functions = mlir::functions(text);
    let mut open: Vec<Region> = Vec::new();
    let mut pending: Vec<Pending> = Vec::new();
    let mut found = Vec::new();
    // Where the operation at hand begins, and its text so far.
    let (mut head, mut head_line) = (String::new(), 0);
    let mut offset = 0;
    for (line, content) in text.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += content.len();
        let code = without_comment(content);
        if code.trim().is_empty() {
            continue;
        }
        if !matches!(open.last(), Some(Region::Bracket)) {
            head.clear();
            head_line = line;
            let names = results(code.trim_start());
            if !names.is_empty() {
                pending.push(Pending { depth: open.len(), line, names });
            }
        }
        let from = head.len();
        head.push_str(code);
        let mut entered = false;
        for (at, c) in mlir::unquoted(code) {
            match c {
                '(' | '[' => open.push(Region::Bracket),
                '{' => {
                    let region = region(&head[..from + at], code[at + 1..].trim().is_empty());
                    entered |= !matches!(region, Region::Bracket);
                    open.push(region);
                }
                ')' | ']' | '}' => drop(open.pop()),
                _ => {}
            }
        }
        while pending.last().is_some_and(|last| last.depth >= open.len()) {
            let Some(Pending { line: own, names, .. }) = pending.pop() else { break };
            found.extend(names.into_iter().map(|name| definition(name, own, line + 1, &open)));
        }
        // What a region begins with: arguments of a function, a loop, a block.
        let arguments = match open.last() {
            Some(Region::Function(_)) if entered => {
                let function = functions.iter().find(|function| (start..offset).contains(&function.span.start));
                let function = function.or_else(|| {
                    functions.iter().rev().find(|function| function.span.start < start && head.contains(&function.name))
                });
                function.map_or_else(Vec::new, |function| {
                    function.arguments.iter().map(|argument| format!("%{}", argument.name)).collect()
                })
            }
            Some(Region::For(own)) if entered => {
                std::iter::once(own.index.clone()).chain(assigned(&head, "iter_args(")).collect()
            }
            Some(Region::While) if entered => assigned(&head, "scf.while ("),
            Some(Region::Partition) if entered => declared(&head),
            _ if code.trim_start().starts_with("^bb") => declared(&head),
            _ => Vec::new(),
        };
        found.extend(arguments.into_iter().map(|name| definition(name, head_line, line + 1, &open)));
    }
    for definition in &mut found {
        definition.obstacle.take_if(|region| matches!(region, Obstacle::Function(name) if name == kernel));
    }
    found.sort_by_key(|definition| definition.line);
    found
}

fn definition(name: String, line: usize, insert: usize, open: &[Region]) -> Definition {
    let loops = open.iter().filter_map(|region| if let Region::For(own) = region { Some(own.clone()) } else { None });
    // The innermost one that matters; the kernel itself is taken out by the caller.
    let obstacle = open.iter().rev().find_map(|region| match region {
        Region::Function(name) => Some(Obstacle::Function(name.clone())),
        Region::While => Some(Obstacle::While),
        Region::Partition => Some(Obstacle::Partition),
        Region::Other(operation) => Some(Obstacle::Region(operation.clone())),
        Region::Bracket | Region::Module | Region::For(_) | Region::Plain => None,
    });
    Definition { name, line, insert, loops: loops.collect(), obstacle }
}

/// The values on the left of an operation: `%27 =`, `%27:2 =`, `%a, %b =`.
fn results(code: &str) -> Vec<String> {
    if !code.starts_with('%') {
        return Vec::new();
    }
    let Some((left, _)) = code.split_once(" = ") else { return Vec::new() };
    left.split(',')
        .flat_map(|part| match part.trim().split_once(':') {
            Some((name, count)) => {
                let count: usize = count.parse().unwrap_or(0);
                (0..count.min(1 << 12)).map(|at| format!("{name}#{at}")).collect()
            }
            None => vec![part.trim().to_owned()],
        })
        .collect()
}

/// The names before `=` in the parentheses behind `keyword`.
fn assigned(head: &str, keyword: &str) -> Vec<String> {
    let Some((_, rest)) = head.split_once(keyword) else { return Vec::new() };
    let inside = rest.split_once(')').map_or(rest, |(inside, _)| inside);
    let names = inside.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.trim().to_owned());
    names.filter(|name| name.starts_with('%')).collect()
}

/// The names before `:` in a block's or a partition's parentheses.
fn declared(head: &str) -> Vec<String> {
    let words = head.split(['(', ',', ' ']).filter_map(|word| word.strip_suffix(':'));
    words.filter(|word| word.starts_with('%')).map(str::to_owned).collect()
}

/// What a brace opens, from the text of its operation before it.
fn region(head: &str, is_last: bool) -> Region {
    let code = head.trim_start();
    // Braces that close on the same line hold attributes.
    if !is_last {
        return Region::Bracket;
    }
    let operation = code.split_once(" = ").filter(|_| code.starts_with('%')).map_or(code, |(_, operation)| operation);
    let word: &str = operation.split([' ', '(', '<']).next().unwrap_or_default();
    match word {
        "module" => Region::Module,
        "tt.func" => {
            let name = mlir::functions(&format!("{code}{{")).pop();
            name.map_or(Region::Module, |function| Region::Function(function.name))
        }
        "scf.for" => for_loop(operation).map_or_else(|| Region::Other(word.to_owned()), Region::For),
        "scf.while" => Region::While,
        "scf.if" | "default" => Region::Plain,
        "}" if operation.contains("else") => Region::Plain,
        "}" if operation.contains("do") => Region::While,
        _ if word.starts_with("partition") || operation.starts_with("} partition") => Region::Partition,
        "ttg.warp_specialize" => Region::Plain,
        _ => Region::Other(word.trim_matches('"').to_owned()),
    }
}

/// `scf.for %arg5 = %a to %b step %c iter_args(…) -> (…)  : i32`
fn for_loop(operation: &str) -> Option<Loop> {
    let (left, rest) = operation.strip_prefix("scf.for")?.split_once('=')?;
    let (lower, rest) = rest.split_once(" to ")?;
    let (_, rest) = rest.split_once(" step ")?;
    let step = rest.split_whitespace().next()?;
    let named = rest.trim_end().rsplit_once(':').map(|(_, ty)| ty.trim());
    let ty = named.filter(|ty| ty.starts_with('i') && !ty.contains([' ', '<', ')'])).unwrap_or("index");
    let index = left.split_whitespace().last()?;
    let names = [index, lower.trim(), step];
    names.iter().all(|name| name.starts_with('%')).then(|| Loop {
        index: index.to_owned(),
        lower: lower.trim().to_owned(),
        step: step.to_owned(),
        ty: ty.to_owned(),
    })
}

fn without_comment(line: &str) -> &str {
    let slashes = mlir::unquoted(line).find(|&(at, _)| line[at..].starts_with("//"));
    slashes.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"#blocked = #ttg.blocked<{order = [0]}>
module attributes {"ttg.num-warps" = 4 : i32} {
  tt.func public @k(%arg0: !tt.ptr<f16> {tt.divisibility = 16 : i32}, %n: i32) attributes {noinline = false} {
    %cst = arith.constant dense<1> : tensor<4xi32, #blocked>
    %0:2 = scf.for %arg5 = %c0 to %n step %c1 iter_args(%arg6 = %cst, %arg7 = %n) -> (tensor<4xi32, #blocked>, i32)  : i32 {
      %3 = scf.if %p {some = 1} -> (i32) {
        %4 = arith.addi %n, %n : i32
        scf.yield %4 : i32
      } else {
        scf.yield %n : i32
      }
      scf.yield %arg6, %3 : tensor<4xi32, #blocked>, i32
    } {tt.num_stages = 2 : i32}
    %1 = "tt.reduce"(%cst) <{axis = 0 : i32}> ({
    ^bb0(%arg5: i32, %arg6: i32):
      %3 = arith.addi %arg5, %arg6 : i32
      tt.reduce.return %3 : i32
    }) : (tensor<4xi32, #blocked>) -> i32
    %a, %b = tt.split %cst : tensor<4xi32> -> tensor<2xi32> // not %c = this {
    tt.return
  }
  tt.func private @f(%arg0: i32) -> i32 {
    tt.return %arg0 : i32
  }
}
"##;

    #[test]
    fn places_of_values() {
        let found = definitions(TEXT, "k");
        let shown = |definition: &Definition| {
            let loops: Vec<&str> = definition.loops.iter().map(|own| own.index.as_str()).collect();
            format!("{} {}→{} {}", definition.name, definition.line, definition.insert, loops.join(" "))
        };
        let free = found.iter().filter(|definition| definition.obstacle.is_none());
        let free: Vec<String> = free.map(|definition| shown(definition).trim_end().to_owned()).collect();
        assert_eq!(
            free,
            [
                "%arg0 2→3",
                "%n 2→3",
                "%cst 3→4",
                "%arg5 4→5 %arg5",
                "%arg6 4→5 %arg5",
                "%arg7 4→5 %arg5",
                "%0#0 4→13",
                "%0#1 4→13",
                "%3 5→11 %arg5",
                "%4 6→7 %arg5",
                "%1 13→18",
                "%a 18→19",
                "%b 18→19",
            ]
        );
        let own = &found.iter().find(|definition| definition.name == "%4").expect("%4").loops[0];
        assert_eq!((&*own.lower, &*own.step, &*own.ty), ("%c0", "%c1", "i32"));
        let obstacles: Vec<_> = found.iter().filter_map(|one| Some((&*one.name, one.obstacle.clone()?))).collect();
        let reduce = Obstacle::Region("tt.reduce".to_owned());
        assert_eq!(
            obstacles,
            [
                ("%arg5", reduce.clone()),
                ("%arg6", reduce.clone()),
                ("%3", reduce),
                ("%arg0", Obstacle::Function("f".to_owned())),
            ]
        );
    }

    #[test]
    fn partitions_and_while() {
        let text = "tt.func public @k() {\n  ttg.warp_specialize(%0)\n  default {\n    %1 = a.b\n  }\n  \
                    partition0(%arg3: i32) num_warps(4) {\n    %2 = a.b\n  } : (i32) -> ()\n  %5 = scf.while (%arg1 = %0) : (i32) -> i32 {\n    \
                    scf.condition(%p) %arg1 : i32\n  } do {\n  ^bb0(%arg2: i32):\n    %6 = a.b\n  }\n}\n";
        let found = definitions(text, "k");
        let shown: Vec<_> = found.iter().map(|one| (&*one.name, one.insert, one.obstacle.clone())).collect();
        assert_eq!(
            shown,
            [
                ("%1", 4, None),
                ("%arg3", 6, Some(Obstacle::Partition)),
                ("%2", 7, Some(Obstacle::Partition)),
                ("%arg1", 9, Some(Obstacle::While)),
                ("%5", 14, None),
                ("%arg2", 12, Some(Obstacle::While)),
                ("%6", 13, Some(Obstacle::While)),
            ]
        );
    }

    #[test]
    fn broken_text_is_no_panic() {
        for length in (0..TEXT.len()).filter(|&length| TEXT.is_char_boundary(length)) {
            definitions(&TEXT[..length], "k");
        }
    }
}
