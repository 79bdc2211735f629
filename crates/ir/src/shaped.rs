//! The tensors and memory descriptors that a line of TTGIR names in its types.

use warpbook_gpu::ElementType;

/// The kind of a type: registers or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tensor<…>`: a tensor in registers.
    Tensor,
    /// `!ttg.memdesc<…>`: in shared or tensor memory.
    Memory,
}

/// A type with a layout: `tensor<64x64xf16, #mma>`, `!ttg.memdesc<2x64x64xf16, #shared, …>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// Where the value lies: registers or memory.
    pub kind: Kind,
    /// Extents of all dimensions, outermost first.
    pub shape: Vec<u32>,
    /// Element type as MLIR writes it: `f16`, `!tt.ptr<f32>`.
    pub element: String,
    /// Layout as the text names it: `#mma`, `#ttg.slice<{…}>`.
    pub encoding: String,
}

impl Shaped {
    /// Number of bits of an element in memory; 64 for a pointer.
    pub fn element_bits(&self) -> Option<u32> {
        bits(&self.element)
    }

    /// Bits of what a tensor of pointers points at.
    pub fn pointee_bits(&self) -> Option<u32> {
        let inside = self.element.strip_prefix("!tt.ptr<")?;
        bits(inside.split([',', '>']).next()?)
    }

    /// Extents and element type for a reader: `64×64×f16`.
    pub fn describe(&self) -> String {
        let extents: Vec<String> = self.shape.iter().map(u32::to_string).collect();
        format!("{}×{}", extents.join("×"), self.element)
    }
}

fn bits(element: &str) -> Option<u32> {
    if element.contains("ptr") {
        return Some(64);
    }
    ElementType::from_mlir(element).map(|element| element.bits().max(8))
}

/// Every type with a layout in a text, in order.
pub fn parse_types(text: &str) -> Vec<Shaped> {
    let mut found = Vec::new();
    let starts = text.match_indices('<').map(|(at, _)| at);
    for open in starts {
        let before = &text[..open];
        let kind = if before.ends_with("tensor") {
            Kind::Tensor
        } else if before.ends_with("memdesc") || before.trim_end().ends_with("->") {
            // A result of the same kind is written without its name.
            Kind::Memory
        } else {
            continue;
        };
        if let Some(shaped) = inside(kind, &text[open + 1..]) {
            found.push(shaped);
        }
    }
    found
}

fn inside(kind: Kind, text: &str) -> Option<Shaped> {
    let (mut depth, mut commas, mut end) = (1, Vec::new(), None);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' | '{' | '[' => depth += 1,
            '>' | '}' | ']' if before != '-' => depth -= 1,
            ',' if depth == 1 => commas.push(at),
            '\n' => return None,
            _ => {}
        }
        before = c;
        if depth == 0 {
            end = Some(at);
            break;
        }
    }
    let (end, first) = (end?, *commas.first()?);
    let encoding = text[first + 1..commas.get(1).copied().unwrap_or(end)].trim().to_owned();
    let mut shape = Vec::new();
    let mut rest = &text[..first];
    while let Some((extent, after)) = rest.split_once('x') {
        let Ok(extent) = extent.trim().parse() else { break };
        shape.push(extent);
        rest = after;
    }
    let is_layout = encoding.starts_with('#') && !shape.is_empty();
    is_layout.then(|| Shaped { kind, shape, element: rest.trim().to_owned(), encoding })
}

/// An operation of TTGIR whose types have layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its line in the text, from 1.
    pub line: u32,
    /// `%27`, without the number of its results.
    pub result: Option<String>,
    /// Name of the operation: `ttg.convert_layout`.
    pub name: String,
    /// The values that it names, in order.
    pub operands: Vec<String>,
    /// The types with a layout, in order: operands', then results'.
    pub types: Vec<Shaped>,
    /// How many of the types stand after `->`, or are all there are where one type is said for everything.
    pub results: usize,
}

impl Operation {
    /// The type of the operation's result.
    pub fn result_type(&self) -> Option<&Shaped> {
        self.result.as_ref().and(self.types.last())
    }

    /// The first type of this kind among the operation's types.
    pub fn first(&self, kind: Kind) -> Option<&Shaped> {
        self.types.iter().find(|shaped| shaped.kind == kind)
    }
}

/// The operations of a text without locations.
pub fn operations(text: &str) -> Vec<Operation> {
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let Some(name) = super::operations::in_mlir(line) else { continue };
        let name_end = name.end;
        let result = line[..name.start].split_once('=').map(|(result, _)| {
            let result = result.trim();
            result.split([':', ',']).next().unwrap_or(result).trim().to_owned()
        });
        let name = line[name].trim_matches('"').to_owned();
        let rest = &line[name_end..];
        // Types begin after the last ` : ` that is in no braces; attributes hold ` : ` too.
        let colon = outer_colon(rest).unwrap_or(rest.len());
        let operands = rest[..colon].split(|c: char| !(c.is_alphanumeric() || "%_-#$.".contains(c)));
        let operands = operands.filter(|word| word.starts_with('%')).map(str::to_owned).collect();
        let types = parse_types(&rest[colon..]);
        let results = rest[colon..].rfind("->").map_or(types.len(), |arrow| parse_types(&rest[colon + arrow..]).len());
        found.push(Operation { line: number, result, name, operands, types, results });
    }
    found
}

fn outer_colon(text: &str) -> Option<usize> {
    let (mut depth, mut before) = (0_i32, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '<' | '{' | '[' => depth += 1,
            '>' | '}' | ']' if before != '-' => depth -= 1,
            ':' if depth == 0 && text[..at].ends_with(' ') => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_operations() {
        let text = "    %65:2 = ttg.local_load %64 token %63 {a = 1 : i32} : !ttg.memdesc<128x64xf16, #shared, #smem, mutable> -> tensor<128x64xf16, #ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>>
    %30 = ttg.async_copy_global_to_local %a_14, %acc_28 mask %acc_29 {contiguity = 8 : i32} : tensor<128x64x!tt.ptr<f16>, #blocked> -> <128x64xf16, #shared, #smem, mutable>
    tt.store %1, %2 : tensor<64x!tt.ptr<f32>, #blocked>
    %7 = ttng.tmem_alloc : () -> !ttg.memdesc<128x64xf32, #tmem, #ttng.tensor_memory, mutable>";
        let found = operations(text);
        assert_eq!(found.len(), 4);
        assert_eq!((found[0].result.as_deref(), found[0].name.as_str()), (Some("%65"), "ttg.local_load"));
        assert_eq!(found[0].operands, ["%64", "%63"]);
        assert_eq!(found[0].types[1].encoding, "#ttg.dot_op<{opIdx = 0, parent = #mma, kWidth = 2}>");
        assert_eq!((found[0].types[0].kind, found[0].types[0].shape.clone()), (Kind::Memory, vec![128, 64]));
        assert_eq!((found[1].types[1].kind, found[1].types[0].pointee_bits()), (Kind::Memory, Some(16)));
        assert_eq!((found[2].types[0].element.as_str(), found[2].result.clone()), ("!tt.ptr<f32>", None));
        assert_eq!((found[3].types[0].encoding.as_str(), found[3].types[0].element_bits()), ("#tmem", Some(32)));
        assert_eq!(
            [bits("f8E4M3FN"), bits("i1"), bits("bf16"), bits("i64"), bits("x")],
            [Some(8), Some(8), Some(16), Some(64), None]
        );
    }
}
