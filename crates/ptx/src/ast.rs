//! The syntax tree of PTX. Spans are bytes of the text.

use std::ops::Range;
use std::sync::Arc;

use crate::isa::Opcode;
use crate::types::{PtxType, Space};

/// The syntax tree of a PTX module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// `.version 8.7`
    pub version: (u32, u32),
    /// `.target sm_90a`
    pub target: String,
    /// `.address_size 64`
    pub address_size: u32,
    /// Module-scope variables: global, const, extern and static shared.
    pub variables: Vec<Variable>,
    /// Entries and device functions, bodies included.
    pub functions: Vec<Function>,
    /// `.file 1 "dir" "name"`: index and path.
    pub files: Vec<(u32, String)>,
    /// True if the comment at the top says that LLVM wrote the text, as it does for Triton.
    pub is_from_llvm: bool,
}

impl Module {
    /// The entry functions.
    pub fn entries(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|function| function.is_entry)
    }

    /// A function by name; the definition rather than a declaration.
    pub fn function(&self, name: &str) -> Option<&Function> {
        let named = |function: &&Function| function.name == name;
        self.functions.iter().filter(named).find(|f| f.body.is_some()).or_else(|| self.functions.iter().find(named))
    }

    /// All instructions, in the order of the text.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.functions.iter().flat_map(Function::instructions)
    }

    /// The path of a `.file` index.
    pub fn file(&self, index: u32) -> Option<&str> {
        self.files.iter().find(|(i, _)| *i == index).map(|(_, name)| name.as_str())
    }
}

/// The instructions of statements, those in nested blocks included: the iterators of the blocks that are open.
struct InstructionsOf<'a>(Vec<std::slice::Iter<'a, Statement>>);

impl<'a> Iterator for InstructionsOf<'a> {
    type Item = &'a Instruction;

    fn next(&mut self) -> Option<&'a Instruction> {
        while let Some(innermost) = self.0.last_mut() {
            match innermost.next() {
                Some(Statement::Instruction(instruction)) => return Some(instruction),
                Some(Statement::Block(statements)) => self.0.push(statements.iter()),
                Some(_) => {}
                None => drop(self.0.pop()),
            }
        }
        None
    }
}

/// A parameter of a function, or its return value.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name of the parameter.
    pub name: String,
    /// Type of the parameter, or of its elements.
    pub ty: PtxType,
    /// Elements of an array parameter (`.b8 name[128]`); 1 otherwise.
    pub count: u32,
    /// `.align`, or the type's own alignment; bytes. For a pointer, `.ptr … .align` goes to `pointee_align`.
    pub align: u32,
    /// `.ptr .global`: the space pointed to.
    pub pointee: Option<Space>,
    /// `.ptr … .align 16`: alignment of what is pointed to.
    pub pointee_align: Option<u32>,
    /// True if it is a register (`.reg`) and no memory (`.param`).
    pub is_register: bool,
    /// Bytes of the declaration in the text.
    pub span: Range<usize>,
}

impl Param {
    /// Number of bytes in the parameter block.
    pub fn size(&self) -> u32 {
        self.ty.size() * self.count
    }
}

/// An initial value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Initializer {
    /// The bytes, zero-filled to the variable's size.
    Bytes(Vec<u8>),
    /// Addresses of other symbols: (byte offset, symbol, addend), besides the bytes.
    WithSymbols(Vec<u8>, Vec<(u32, String, i64)>),
}

/// A variable of a module or of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Name of the variable.
    pub name: String,
    /// State space in which the variable lies.
    pub space: Space,
    /// Type of the variable, or of its elements.
    pub ty: PtxType,
    /// Size in bytes; 0 for `extern … name[]`.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u32,
    /// Initial value, if the declaration has one.
    pub initializer: Option<Initializer>,
    /// `.extern`
    pub is_extern: bool,
    /// Bytes of the declaration in the text.
    pub span: Range<usize>,
}

/// An entry or a device function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Name of the function.
    pub name: String,
    /// `.entry`, as against `.func`.
    pub is_entry: bool,
    /// Parameters, in order.
    pub params: Vec<Param>,
    /// Return values of a `.func`.
    pub returns: Vec<Param>,
    /// `.reqntid`: threads per block, exactly.
    pub reqntid: Option<[u32; 3]>,
    /// `.maxntid`: threads per block, at most.
    pub maxntid: Option<[u32; 3]>,
    /// `.reqnctapercluster`: blocks per cluster, exactly.
    pub cluster: Option<[u32; 3]>,
    /// `.minnctapersm`
    pub min_blocks: Option<u32>,
    /// `.maxnreg`
    pub max_registers: Option<u32>,
    /// Statements; `None` for a declaration.
    pub body: Option<Vec<Statement>>,
    /// Bytes of the name in the text.
    pub span: Range<usize>,
}

impl Function {
    /// All instructions of the body, in the order of the text.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        InstructionsOf(vec![self.body.as_deref().unwrap_or_default().iter()])
    }
}

/// A statement of a function.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `.reg .b32 %r<10>;` or `.reg .pred p, q;`
    Registers {
        /// Type of the registers.
        ty: PtxType,
        /// Names of the registers; for `name<n>`, with the count n.
        names: Vec<(String, Option<u32>)>,
    },
    /// A local, shared or parameter variable of the function.
    Variable(Variable),
    /// `name:`
    Label(String, Range<usize>),
    /// `name: .branchtargets a, b;`: where a `brx.idx` may go, by index.
    BranchTargets {
        /// The name of the list.
        name: String,
        /// The labels in order; an index selects one.
        targets: Vec<String>,
    },
    /// `.loc`
    Line(LineInfo),
    /// An instruction with its guard and operands.
    Instruction(Instruction),
    /// `{ … }` with a scope of its own.
    Block(Vec<Statement>),
}

/// `.loc file line column[, function_name label, inlined_at file line column]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// `.file` index.
    pub file: u32,
    /// Line, from 1; 0 for none.
    pub line: u32,
    /// Column, from 1; 0 for none.
    pub column: u32,
    /// The place of the call that this was inlined at: file, line, column.
    pub inlined_at: Option<(u32, u32, u32)>,
}

/// A register, or a special register (`%tid.x`).
pub type Register = String;

/// An instruction with its guard.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// `@%p` or `@!%p`: register and whether it is negated.
    pub guard: Option<(Register, bool)>,
    /// Opcode and modifiers: `ld.global.v4.b32`. Instructions of a module that are written alike share it.
    pub opcode: Arc<Opcode>,
    /// Operands in the order of the text.
    pub operands: Vec<Operand>,
    /// Bytes of the whole instruction in the text.
    pub span: Range<usize>,
}

/// A literal number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Immediate {
    /// An integer, as 64 bits in two's complement.
    Integer(u64),
    /// `0f…`: the bits.
    F32(u32),
    /// `0d…` or a decimal: the bits.
    F64(u64),
}

/// `[base+offset]`
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// A register, a variable, a parameter; `None` for an absolute address.
    pub base: Option<String>,
    /// Offset in bytes that is added to the base.
    pub offset: i64,
    /// Coordinates of a tensor: `[%rd1, {%r1, %r2}]`.
    pub coordinates: Vec<Operand>,
}

/// An operand of an instruction.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, a special register, a variable, a function or a label.
    Name(String),
    /// `name+4`: a variable's address with an addend.
    NameOffset(String, i64),
    /// `!%p`
    Not(String),
    /// A literal number.
    Immediate(Immediate),
    /// `{a, b}`
    Vector(Vec<Operand>),
    /// `a|b`: two destinations.
    Pair(Box<Operand>, Box<Operand>),
    /// `[base+offset]`
    Address(Address),
    /// `(a, b)`: arguments or return values of a call.
    List(Vec<Operand>),
    /// `_`: the value is dropped.
    Sink,
}
