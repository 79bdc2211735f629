//! Stores of values in the middle of a kernel: a text of TTIR or TTGIR that also writes them to memory.
//!
//! Each probe adds two arguments to the kernel: where the elements go, and a table of 32-bit integers that says which
//! executions are kept. An execution has a number on each level: the program's three coordinates, then the iteration of
//! each loop around the value. The table holds, for each level, the first number that is kept and how many; then, for
//! each level, how many would have been needed; then a 1 for each execution that was kept.

use std::fmt::Write;
use warpbook_gpu::ElementType;

use super::mlir;
use super::triton_version::GpuDialect;
use super::values::Definition;

/// The levels that every execution has: the program's coordinates.
pub const PROGRAM_LEVELS: usize = 3;

/// The type of a value as MLIR names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Extents of a tensor or of a shared-memory descriptor, outermost first; `None` for a scalar.
    pub shape: Option<Vec<u64>>,
    /// Element type: `f16`, `i1`, `!tt.ptr<f32>`.
    pub element: String,
    /// The layout in registers; empty where there is none.
    pub layout: String,
    /// The type of a descriptor of shared memory, as it is written.
    pub memory: Option<String>,
}

/// A value that is to be stored.
#[derive(Clone, Debug)]
pub struct Probe<'a> {
    /// Where the value is defined.
    pub definition: &'a Definition,
    /// Type of the value.
    pub ty: ValueType,
    /// The layout that it is converted to before it is stored, if not its own.
    pub convert: Option<String>,
}

impl ValueType {
    /// Reads `tensor<64x64xf16, #…>`, `!ttg.memdesc<64x64xf16, #…, #…>` or a scalar's type; the error says why no
    /// value of the type can be stored.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inside = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>'));
        let memdesc = inside("!ttg.memdesc<").or_else(|| inside("!triton_gpu.memdesc<"));
        if let Some(inside) = inside("tensor<").or(memdesc) {
            let parts = mlir::split(inside, 0..inside.len());
            let mut parts = parts.into_iter().map(|span| &inside[span]);
            let (mut rest, mut shape) = (parts.next().unwrap_or_default(), Vec::new());
            while let Some((extent, after)) = rest.split_once('x') {
                let Ok(extent) = extent.parse() else { break };
                shape.push(extent);
                rest = after;
            }
            let layout = parts.next().unwrap_or_default();
            let more: Vec<&str> = parts.collect();
            if let Some(memory) = more.first().filter(|memory| memory.contains("tensor_memory")) {
                return Err(format!("it lies in tensor memory ({memory})"));
            }
            let memory = memdesc.map(|_| text.to_owned());
            let layout = if memory.is_some() { String::new() } else { layout.to_owned() };
            let found = Self { shape: Some(shape), element: rest.to_owned(), layout, memory };
            return found.stored().map(|_| found.clone());
        }
        let why = match text {
            _ if text.starts_with("!tt.ptr<tensor<") => "it is a pointer to a block: dump what is loaded through it",
            _ if text.starts_with("!tt.tensordesc") => "it is a tensor descriptor, not a tensor",
            _ if text.contains("async.token") => "it is a token of an asynchronous copy and holds nothing",
            _ => {
                let found = Self { shape: None, element: text.to_owned(), layout: String::new(), memory: None };
                return found.stored().map(|_| found.clone());
            }
        };
        Err(why.to_owned())
    }

    /// The element type in memory, in MLIR.
    pub fn stored(&self) -> Result<&str, String> {
        use ElementType as T;
        let element = self.element.as_str();
        if element == "index" || element.starts_with("!tt.ptr<") {
            return Ok("i64");
        }
        match T::from_mlir(element) {
            // Types of which no buffer is made: their bits.
            Some(T::I1 | T::E4m3Fnuz | T::E5m2Fnuz | T::E4m3B11Fnuz) => Ok("i8"),
            Some(known) if known.bits() >= 8 && known != T::Tf32 => Ok(element),
            _ => Err(format!("memory holds no `{element}`")),
        }
    }

    fn elements(&self) -> u64 {
        self.shape.iter().flatten().product()
    }

    /// The type with another element and layout: `tensor<64x64xELEMENT, LAYOUT>`, or the element's type for a scalar.
    fn with_element(&self, element: &str, layout: &str) -> String {
        match &self.shape {
            Some(shape) => tensor(shape, element, layout),
            None => element.to_owned(),
        }
    }
}

/// A blocked layout that fits any tensor: neighbours in the last dimension are in neighbouring lanes.
pub fn blocked(shape: &[u64], warps: u32, dialect: GpuDialect) -> String {
    let mut lanes = vec![1; shape.len()];
    let mut spread = vec![1; shape.len()];
    let (mut left, mut left_warps) = (32, u64::from(warps));
    for (own, extent) in lanes.iter_mut().zip(shape).rev() {
        *own = left.min((*extent).max(1));
        left /= *own;
    }
    for (own, extent) in spread.iter_mut().zip(shape) {
        *own = left_warps.min((*extent).max(1));
        left_warps /= *own;
    }
    // What no extent needs holds the same elements again.
    lanes.first_mut().into_iter().for_each(|own| *own *= left);
    spread.first_mut().into_iter().for_each(|own| *own *= left_warps);
    let order: Vec<usize> = (0..shape.len()).rev().collect();
    let dialect = dialect.name();
    format!(
        "#{dialect}.blocked<{{sizePerThread = {:?}, threadsPerWarp = {lanes:?}, warpsPerCTA = {spread:?}, order = {order:?}}}>",
        vec![1; shape.len()],
    )
}

fn tensor(shape: &[u64], element: &str, layout: &str) -> String {
    let shape: String = shape.iter().map(|extent| format!("{extent}x")).collect();
    let comma = if layout.is_empty() { "" } else { ", " };
    format!("tensor<{shape}{element}{comma}{layout}>")
}

/// The text with stores of the probes in its kernel; `None` if it has no such function.
pub fn instrument(text: &str, kernel: &str, probes: &[Probe<'_>]) -> Option<String> {
    let functions = mlir::functions(text);
    let function = functions.iter().find(|function| function.name == kernel)?;
    let mut arguments = String::new();
    for (number, probe) in probes.iter().enumerate() {
        let element = probe.ty.stored().ok()?;
        let _ = write!(
            arguments,
            ", %wb{number}: !tt.ptr<{element}> {{tt.divisibility = 16 : i32}}, \
             %wb{number}_table: !tt.ptr<i32> {{tt.divisibility = 16 : i32}}"
        );
    }
    let (at, arguments) = match function.arguments.last() {
        Some(last) => (last.span.end, arguments.as_str()),
        None => (function.span.end + 1, arguments.trim_start_matches(", ")),
    };
    // Before the arguments, so that positions after them stay.
    let mut insertions: Vec<(usize, String)> = vec![(at, arguments.to_owned())];
    let starts: Vec<usize> =
        text.split_inclusive('\n').scan(0, |at, line| Some(std::mem::replace(at, *at + line.len()))).collect();
    let dialect = GpuDialect::detect(text);
    for (number, probe) in probes.iter().enumerate() {
        let start = starts.get(probe.definition.insert).copied().unwrap_or(text.len());
        insertions.push((start, store(number, probe, dialect)));
    }
    insertions.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len() * 2);
    let mut copied = 0;
    for (at, insertion) in insertions {
        out.push_str(&text[copied..at]);
        out.push_str(&insertion);
        copied = at;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The lines that one probe adds to the text.
struct Lines {
    text: String,
    prefix: String,
    next: usize,
}

impl Lines {
    /// An operation with a result; returns the result's name.
    fn value(&mut self, operation: &str) -> String {
        let name = format!("%{}_{}", self.prefix, self.next);
        self.next += 1;
        let _ = writeln!(self.text, "    {name} = {operation}");
        name
    }

    fn constant(&mut self, value: u64, ty: &str) -> String {
        self.value(&format!("arith.constant {value} : {ty}"))
    }

    fn binary(&mut self, operation: &str, a: &str, b: &str, ty: &str) -> String {
        self.value(&format!("arith.{operation} {a}, {b} : {ty}"))
    }

    /// The address of an entry of the table.
    fn entry(&mut self, index: usize) -> String {
        let index = self.constant(index as u64, "i32");
        self.value(&format!("tt.addptr %{}_table, {index} : !tt.ptr<i32>, i32", self.prefix))
    }

    fn load(&mut self, index: usize) -> String {
        let address = self.entry(index);
        self.value(&format!("tt.load {address} : !tt.ptr<i32>"))
    }
}

/// The lines that store one value.
fn store(number: usize, probe: &Probe<'_>, dialect: GpuDialect) -> String {
    let Probe { definition, ty, convert } = probe;
    let mut lines = Lines { text: String::new(), prefix: format!("wb{number}"), next: 0 };
    let levels = PROGRAM_LEVELS + definition.loops.len();
    // The number on each level, from the first one that is kept; and whether it is kept.
    let mut slot = lines.constant(0, "i32");
    let mut kept: Option<String> = None;
    for level in 0..levels {
        let index = match level.checked_sub(PROGRAM_LEVELS).and_then(|at| definition.loops.get(at)) {
            None => {
                let axis = ["x", "y", "z"].get(level).copied().unwrap_or("z");
                lines.value(&format!("tt.get_program_id {axis} : i32"))
            }
            Some(own) => {
                let since = lines.binary("subi", &own.index, &own.lower, &own.ty);
                let number = lines.binary("divsi", &since, &own.step, &own.ty);
                match own.ty.as_str() {
                    "i32" => number,
                    "index" => lines.value(&format!("arith.index_cast {number} : index to i32")),
                    "i64" => lines.value(&format!("arith.trunci {number} : i64 to i32")),
                    other => lines.value(&format!("arith.extsi {number} : {other} to i32")),
                }
            }
        };
        let first = lines.load(2 * level);
        let count = lines.load(2 * level + 1);
        let own = lines.binary("subi", &index, &first, "i32");
        if level >= PROGRAM_LEVELS
            && let Some(program) = &kept
        {
            let beyond = lines.value(&format!("arith.cmpi sge, {own}, {count} : i32"));
            let beyond = lines.binary("andi", program, &beyond, "i1");
            let one = lines.constant(1, "i32");
            let needed = lines.binary("addi", &own, &one, "i32");
            let entry = lines.entry(2 * levels + level);
            let _ = writeln!(lines.text, "    tt.store {entry}, {needed}, {beyond} : !tt.ptr<i32>");
        }
        let is_kept = lines.value(&format!("arith.cmpi ult, {own}, {count} : i32"));
        kept = Some(match kept {
            Some(before) => lines.binary("andi", &before, &is_kept, "i1"),
            None => is_kept,
        });
        slot = lines.binary("muli", &slot, &count, "i32");
        slot = lines.binary("addi", &slot, &own, "i32");
    }
    let kept = kept.unwrap_or_default();
    let flags = lines.entry(3 * levels);
    let flag = lines.value(&format!("tt.addptr {flags}, {slot} : !tt.ptr<i32>, i32"));
    let one = lines.constant(1, "i32");
    let _ = writeln!(lines.text, "    tt.store {flag}, {one}, {kept} : !tt.ptr<i32>");

    let stored = ty.stored().unwrap_or_default();
    let wide = lines.value(&format!("arith.extsi {slot} : i32 to i64"));
    let size = lines.constant(ty.elements().max(1), "i64");
    let offset = lines.binary("muli", &wide, &size, "i64");
    let base = lines.value(&format!("tt.addptr %wb{number}, {offset} : !tt.ptr<{stored}>, i64"));
    let mut value = definition.name.clone();
    let mut layout = ty.layout.clone();
    if let Some(other) = convert {
        let dialect = dialect.name();
        let to = ty.with_element(&ty.element, other);
        value = match &ty.memory {
            Some(memory) => lines.value(&format!("{dialect}.local_load {value} : {memory} -> {to}")),
            None => lines.value(&format!(
                "{dialect}.convert_layout {value} : {} -> {to}",
                ty.with_element(&ty.element, &layout)
            )),
        };
        layout.clone_from(other);
    }
    let (from, to) = (ty.with_element(&ty.element, &layout), ty.with_element(stored, &layout));
    value = match ty.element.as_str() {
        "i1" => lines.value(&format!("arith.extui {value} : {from} to {to}")),
        "index" => lines.value(&format!("arith.index_cast {value} : index to i64")),
        element if element.starts_with("!tt.ptr<") => lines.value(&format!("tt.ptr_to_int {value} : {from} -> {to}")),
        element if element != stored => lines.value(&format!("tt.bitcast {value} : {from} -> {to}")),
        _ => value,
    };
    let Some(shape) = &ty.shape else {
        let _ = writeln!(lines.text, "    tt.store {base}, {value}, {kept} : !tt.ptr<{stored}>");
        return lines.text;
    };
    let offsets = row_major(&mut lines, shape, &layout, dialect);
    let pointers = tensor(shape, &format!("!tt.ptr<{stored}>"), &layout);
    let bases = lines.value(&format!("tt.splat {base} : !tt.ptr<{stored}> -> {pointers}"));
    let addresses =
        lines.value(&format!("tt.addptr {bases}, {offsets} : {pointers}, {}", tensor(shape, "i32", &layout)));
    let mask = lines.value(&format!("tt.splat {kept} : i1 -> {}", tensor(shape, "i1", &layout)));
    let _ = writeln!(lines.text, "    tt.store {addresses}, {value}, {mask} : {pointers}");
    lines.text
}

/// The row-major index of each element, in a layout.
fn row_major(lines: &mut Lines, shape: &[u64], layout: &str, dialect: GpuDialect) -> String {
    let dialect = dialect.name();
    let mut sum: Option<String> = None;
    let mut stride: u64 = 1;
    for dimension in (0..shape.len()).rev() {
        let others: Vec<usize> = (0..shape.len()).filter(|&other| other != dimension).collect();
        // Layouts of the range as it grows to the whole rank: slices of one another, and last the layout itself.
        let mut layouts = vec![layout.to_owned()];
        for other in others.iter().rev() {
            let parent = layouts.last().cloned().unwrap_or_default();
            let slice = format!("#{dialect}.slice<{{dim = {other}, parent = {parent}}}>");
            layouts.push(if layout.is_empty() { String::new() } else { slice });
        }
        let extent = shape[dimension];
        let mut own = vec![extent];
        let ty = tensor(&own, "i32", &layouts.pop().unwrap_or_default());
        let mut value = lines.value(&format!("tt.make_range {{end = {extent} : i32, start = 0 : i32}} : {ty}"));
        let mut from = ty;
        for other in others {
            own.insert(other.min(own.len()), 1);
            let to = tensor(&own, "i32", &layouts.pop().unwrap_or_default());
            value = lines.value(&format!("tt.expand_dims {value} {{axis = {other} : i32}} : {from} -> {to}"));
            from = to;
        }
        if stride > 1 {
            let factor = lines.value(&format!("arith.constant dense<{stride}> : {from}"));
            value = lines.binary("muli", &value, &factor, &from);
        }
        let whole = tensor(shape, "i32", layout);
        if from != whole {
            value = lines.value(&format!("tt.broadcast {value} : {from} -> {whole}"));
        }
        sum = Some(match sum {
            Some(before) => lines.binary("addi", &before, &value, &whole),
            None => value,
        });
        stride = stride.saturating_mul(extent);
    }
    sum.unwrap_or_default()
}
