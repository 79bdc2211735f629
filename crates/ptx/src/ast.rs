//! The syntax tree of PTX. Spans are bytes of the text.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A PTX module: one text.
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

    /// The path of a `.file` index.
    pub fn file(&self, index: u32) -> Option<&str> {
        self.files.iter().find(|(i, _)| *i == index).map(|(_, name)| name.as_str())
    }
}

/// State spaces (PTX ISA 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Space {
    Register,
    Global,
    Shared,
    Const,
    Param,
    Local,
    Generic,
}

/// Fundamental types (PTX ISA 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum PtxType {
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    B8,
    B16,
    B32,
    B64,
    B128,
    F16,
    F16x2,
    F32x2,
    Bf16,
    Bf16x2,
    F32,
    F64,
    Tf32,
    E4m3,
    E5m2,
    E4m3x2,
    E5m2x2,
    Pred,
}

impl PtxType {
    const NAMES: [(&'static str, Self); 26] = [
        ("s8", Self::S8),
        ("s16", Self::S16),
        ("s32", Self::S32),
        ("s64", Self::S64),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("u64", Self::U64),
        ("b8", Self::B8),
        ("b16", Self::B16),
        ("b32", Self::B32),
        ("b64", Self::B64),
        ("b128", Self::B128),
        ("f16", Self::F16),
        ("f16x2", Self::F16x2),
        ("f32x2", Self::F32x2),
        ("bf16", Self::Bf16),
        ("bf16x2", Self::Bf16x2),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("tf32", Self::Tf32),
        ("e4m3", Self::E4m3),
        ("e5m2", Self::E5m2),
        ("e4m3x2", Self::E4m3x2),
        ("e5m2x2", Self::E5m2x2),
        ("pred", Self::Pred),
    ];

    /// Bytes in memory; a predicate counts as one.
    pub fn size(self) -> u32 {
        match self {
            Self::S8 | Self::U8 | Self::B8 | Self::E4m3 | Self::E5m2 | Self::Pred => 1,
            Self::S16 | Self::U16 | Self::B16 | Self::F16 | Self::Bf16 | Self::E4m3x2 | Self::E5m2x2 => 2,
            Self::S32 | Self::U32 | Self::B32 | Self::F32 | Self::Tf32 => 4,
            Self::F16x2 | Self::Bf16x2 => 4,
            Self::S64 | Self::U64 | Self::B64 | Self::F64 | Self::F32x2 => 8,
            Self::B128 => 16,
        }
    }

    /// `.s8` to `.s64`
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    /// Any floating-point type, packed ones included.
    pub fn is_float(self) -> bool {
        use PtxType as T;
        matches!(
            self,
            T::F16
                | T::F16x2
                | T::F32x2
                | T::Bf16
                | T::Bf16x2
                | T::F32
                | T::F64
                | T::Tf32
                | T::E4m3
                | T::E5m2
                | T::E4m3x2
                | T::E5m2x2
        )
    }

    /// The name without its dot.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, ty)| *ty == self).map_or("?", |(name, _)| name)
    }
}

impl fmt::Display for PtxType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PtxType {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, ty)| *ty).ok_or(())
    }
}

/// A parameter of a function, or its return value.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// The element type.
    pub ty: PtxType,
    /// Elements of an array parameter (`.b8 name[128]`); 1 otherwise.
    pub count: u32,
    /// `.align`, or the type's own alignment; bytes. For a pointer, `.ptr … .align` goes to `pointee_align`.
    pub align: u32,
    /// `.ptr .global`: the space pointed to.
    pub pointee: Option<Space>,
    /// `.ptr … .align 16`: alignment of what is pointed to.
    pub pointee_align: Option<u32>,
    /// Bytes of the text.
    pub span: Range<usize>,
}

impl Param {
    /// Bytes in the parameter block.
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
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub space: Space,
    /// The element type.
    pub ty: PtxType,
    /// Bytes; 0 for `extern … name[]`.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u32,
    /// Its initial value.
    pub initializer: Option<Initializer>,
    /// `.extern`
    pub is_extern: bool,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// An entry or a device function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name.
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
    /// Bytes of the name.
    pub span: Range<usize>,
}

/// A statement of a function.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `.reg .b32 %r<10>;` or `.reg .pred p, q;`
    Registers {
        /// The type.
        ty: PtxType,
        /// Name and, for `name<n>`, the count.
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
        /// Labels.
        targets: Vec<String>,
    },
    /// `.loc`
    Line(LineInfo),
    /// An instruction.
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
    /// Opcode and modifiers as they are written: `ld.global.v4.b32`.
    pub opcode: String,
    /// Operands in order.
    pub operands: Vec<Operand>,
    /// Bytes of the whole instruction.
    pub span: Range<usize>,
}

/// A literal.
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
    /// Added to it, in bytes.
    pub offset: i64,
    /// Coordinates of a tensor: `[%rd1, {%r1, %r2}]`.
    pub coordinates: Vec<Operand>,
}

/// An operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, a special register, a variable, a function or a label.
    Name(String),
    /// `name+4`: a variable's address with an addend.
    NameOffset(String, i64),
    /// `!%p`
    Not(String),
    /// A literal.
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
