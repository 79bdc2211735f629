//! From the syntax tree of an entry function to a [`Program`], once per module.

mod allocate;
mod by_type;
mod call;
mod flow;
mod functions;
mod in_flight;
mod lane_wise;
pub(crate) mod memory_operands;
pub(crate) mod modifiers;
mod operands;
pub(crate) mod place;
mod registers;
pub(crate) mod scope;
mod select;
mod special_functions;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::program::{File, Gather, Instruction, Op, Program, Register, Slot, Special};
use scope::Symbols;
pub use select::implements;
pub(crate) use special_functions::STACK_BYTES;
use special_functions::{Frame, OutOfLine, SpecialFunctions};
use warpbook_diagnostic::{Diagnostic, Result, interrupt};
use warpbook_ptx::isa::{Mnemonic, Opcode, Role};
use warpbook_ptx::{Function, Immediate, LineInfo, Module, Operand, Statement};

/// Decodes one entry. An instruction or a modifier that the emulator does not implement is an error with its place.
pub(super) fn decode(module: &Module, entry: &Function) -> Result<Program> {
    let mut decoder = Decoder::new(module, entry)?;
    decoder.begin_stack();
    let body = entry.body.as_deref().unwrap_or_default();
    decoder.statements(body)?;
    decoder.finish()
}

/// A constant's slot is virtual until the end.
#[derive(Default)]
struct Constants {
    words: HashMap<u32, Slot>,
    longs: HashMap<u64, Slot>,
    specials: HashMap<Special, Slot>,
    globals: HashMap<(usize, i64), Slot>,
    truth: Option<Slot>,
}

/// An entry function that is being decoded.
pub(crate) struct Decoder<'a> {
    module: &'a Module,
    symbols: Symbols<'a>,
    code: Vec<Instruction>,
    spans: Vec<Range<usize>>,
    lines: Vec<Option<LineInfo>>,
    opcodes: Vec<Arc<Opcode>>,
    strong: Vec<bool>,
    line: Option<LineInfo>,
    /// The instruction that each label stands before.
    labels: HashMap<String, u32>,
    /// Branches whose target is a label yet to come: instruction, label, place.
    branches: Vec<(usize, String, Range<usize>)>,
    constants: Constants,
    /// The register of the carry, once something uses it.
    condition_code: Option<Slot>,
    next: [Slot; 3],
    /// Lists of branch targets by name.
    branch_targets: HashMap<&'a str, &'a [String]>,
    /// The blocks in braces that the instruction lies in: a number, and the labels defined there.
    label_blocks: Vec<(u32, HashSet<&'a str>)>,
    blocks: u32,
    /// Numbers of the inlined calls that the instruction lies in, and how many there were.
    inlined: Vec<u32>,
    calls: u32,
    functions: SpecialFunctions<'a>,
    /// Functions that are decoded behind the kernel's code.
    out_of_line: Vec<OutOfLine<'a>>,
    /// The frame of such a function, while it is decoded.
    frame: Option<Frame>,
    /// The register with the place of the next frame, once a call needs one.
    stack: Option<Slot>,
    /// True if anything in the module is for a pair of blocks (`.cta_group::2`).
    pub(crate) pairs: bool,
    /// The place of the instruction being decoded.
    span: Range<usize>,
    /// The opcode of the instruction being decoded.
    opcode: Arc<Opcode>,
}

impl<'a> Decoder<'a> {
    fn new(module: &'a Module, entry: &'a Function) -> Result<Self> {
        Ok(Self {
            module,
            symbols: Symbols::new(module, entry)?,
            code: Vec::new(),
            spans: Vec::new(),
            lines: Vec::new(),
            opcodes: Vec::new(),
            strong: Vec::new(),
            line: None,
            labels: HashMap::new(),
            branches: Vec::new(),
            branch_targets: HashMap::new(),
            constants: Constants::default(),
            condition_code: None,
            next: [0; 3],
            label_blocks: Vec::new(),
            blocks: 0,
            inlined: Vec::new(),
            calls: 0,
            functions: SpecialFunctions::new(module),
            out_of_line: Vec::new(),
            frame: None,
            stack: None,
            pairs: module.instructions().any(|instruction| instruction.opcode.is_for_pair_of_blocks()),
            span: entry.span.clone(),
            opcode: Arc::new(Opcode::parse("")),
        })
    }

    fn statements(&mut self, statements: &'a [Statement]) -> Result<()> {
        for statement in statements {
            if let Statement::BranchTargets { name, targets } = statement {
                self.branch_targets.insert(name, targets);
            }
        }
        for (index, statement) in statements.iter().enumerate() {
            if index % 1024 == 1023 {
                interrupt::check()?;
            }
            match statement {
                Statement::Registers { ty, names } => self.symbols.declare_registers(*ty, names),
                Statement::Variable(variable) => self.symbols.declare_variable(variable)?,
                Statement::Label(name, span) => {
                    let here = self.code.len() as u32;
                    if self.labels.insert(self.label(name), here).is_some() {
                        return Err(error("ptx-syntax", format!("label `{name}` is defined twice"), span.clone()));
                    }
                }
                Statement::BranchTargets { .. } => {}
                Statement::Line(line) => self.line = (line.line != 0).then_some(*line),
                Statement::Block(statements) => {
                    let labels = statements.iter().filter_map(|statement| match statement {
                        Statement::Label(name, _) => Some(name.as_str()),
                        _ => None,
                    });
                    self.blocks += 1;
                    self.label_blocks.push((self.blocks, labels.collect()));
                    self.symbols.enter();
                    self.statements(statements)?;
                    self.symbols.leave();
                    self.label_blocks.pop();
                }
                Statement::Instruction(instruction) => {
                    self.span = instruction.span.clone();
                    self.opcode = instruction.opcode.clone();
                    let guard = match &instruction.guard {
                        Some((name, negated)) => Some((self.register(name, File::Predicate)?, *negated)),
                        None => None,
                    };
                    let before = self.code.len();
                    let is_many = matches!(instruction.opcode.mnemonic(), Some(Mnemonic::Call | Mnemonic::BrxIdx));
                    let guard = match guard.filter(|_| is_many) {
                        Some(kept_out) => {
                            self.select_under_branch(instruction, kept_out)?;
                            None
                        }
                        None => {
                            self.select(instruction)?;
                            guard
                        }
                    };
                    if instruction.opcode.is_strong_access() {
                        self.strong[before..].fill(true);
                    }
                    let gather = self.gather(instruction)?;
                    // What is inlined of a function has guards and masks of its own.
                    for selected in &mut self.code[before..] {
                        selected.guard = guard.or(selected.guard);
                        selected.gather = if gather == Gather::None { selected.gather } else { gather };
                    }
                }
            }
        }
        Ok(())
    }

    /// The lanes that an instruction waits for.
    fn gather(&mut self, instruction: &warpbook_ptx::Instruction) -> Result<Gather> {
        if instruction.opcode.is_aligned() {
            return Ok(Gather::Warp);
        }
        match instruction.roles().position(|(_, role)| role == Some(Role::LaneMask)) {
            Some(mask) => match &instruction.operands[mask] {
                Operand::Immediate(Immediate::Integer(lanes)) if *lanes as u32 == u32::MAX => Ok(Gather::Everyone),
                _ => Ok(Gather::Members(self.word(&instruction.operands, mask)?)),
            },
            None => Ok(Gather::None),
        }
    }

    /// The module that the entry is of.
    pub(crate) fn module(&self) -> &'a Module {
        self.module
    }

    /// Bytes of shared memory before the dynamic part.
    pub(crate) fn static_shared_bytes(&self) -> u32 {
        self.symbols.dynamic_shared_offset
    }

    /// Adds an operation that the instruction being decoded is made of.
    pub(crate) fn emit(&mut self, op: Op) {
        self.code.push(Instruction { guard: None, gather: Gather::None, op });
        self.spans.push(self.span.clone());
        self.lines.push(self.line);
        self.opcodes.push(self.opcode.clone());
        self.strong.push(false);
    }

    /// A new register, which the text does not have.
    pub(crate) fn fresh(&mut self, file: File) -> Slot {
        let next = &mut self.next[file as usize];
        *next += 1;
        *next - 1
    }

    /// The register that holds a constant of 32 bits.
    pub(crate) fn word_constant(&mut self, value: u32) -> Slot {
        if let Some(&slot) = self.constants.words.get(&value) {
            return slot;
        }
        let slot = self.fresh(File::Word);
        self.constants.words.insert(value, slot);
        slot
    }

    /// The register that holds a constant of 64 bits.
    pub(crate) fn long_constant(&mut self, value: u64) -> Slot {
        if let Some(&slot) = self.constants.longs.get(&value) {
            return slot;
        }
        let slot = self.fresh(File::Long);
        self.constants.longs.insert(value, slot);
        slot
    }

    /// The register that holds a special register.
    pub(crate) fn special(&mut self, special: Special) -> Slot {
        if let Some(&slot) = self.constants.specials.get(&special) {
            return slot;
        }
        let slot = self.fresh(File::Word);
        self.constants.specials.insert(special, slot);
        slot
    }

    /// The predicate that is always true.
    fn truth(&mut self) -> Slot {
        if let Some(slot) = self.constants.truth {
            return slot;
        }
        let slot = self.fresh(File::Predicate);
        self.constants.truth = Some(slot);
        slot
    }

    fn finish(mut self) -> Result<Program> {
        // Falling off the end returns.
        self.emit(Op::Exit);
        self.functions_behind_the_kernel()?;
        let stack_offset = self.symbols.local_bytes.next_multiple_of(16);
        if self.stack.is_some() {
            self.symbols.local_bytes = stack_offset + STACK_BYTES;
        }
        for (index, label, span) in std::mem::take(&mut self.branches) {
            let Some(&to) = self.labels.get(&label) else {
                let name = label.split(' ').next().unwrap_or_default();
                return Err(error("ptx-syntax", format!("there is no label `{name}`"), span));
            };
            if let Op::Branch { target, .. } = &mut self.code[index].op {
                *target = to;
            }
        }
        in_flight::hold_accumulators(&mut self.code);
        let blocks = flow::blocks(&self.code);
        let meeting = flow::post_dominators(&blocks, &self.code)?;
        for (block, meeting) in blocks.iter().zip(meeting) {
            if let Op::Branch { reconverge, .. } = &mut self.code[block.end - 1].op {
                *reconverge = meeting.map_or(u32::MAX, |block| blocks[block].start as u32);
            }
        }
        let constants = std::mem::take(&mut self.constants);
        let mut fixed: Vec<(File, Slot)> = Vec::new();
        let words: Vec<(u32, Slot)> = constants.words.into_iter().collect();
        let longs: Vec<(u64, Slot)> = constants.longs.into_iter().collect();
        let specials: Vec<(Special, Slot)> = constants.specials.into_iter().collect();
        let globals: Vec<((usize, i64), Slot)> = constants.globals.into_iter().collect();
        fixed.extend(words.iter().map(|&(_, slot)| (File::Word, slot)));
        fixed.extend(longs.iter().map(|&(_, slot)| (File::Long, slot)));
        fixed.extend(specials.iter().map(|&(_, slot)| (File::Word, slot)));
        fixed.extend(globals.iter().map(|&(_, slot)| (File::Long, slot)));
        fixed.extend(constants.truth.map(|slot| (File::Predicate, slot)));
        fixed.extend(in_flight::unwaited_accumulators(&self.code).into_iter().map(|slot| (File::Word, slot)));
        let (sizes, slots, placed) = allocate::allocate(&mut self.code, &blocks, &fixed)?;
        let registers = self.symbols.registers().filter_map(|(name, ty, virtual_slot)| {
            let file = scope::file_of(ty)?;
            let &(slot, live) = placed.get(&(file, virtual_slot))?;
            Some(Register { name: name.to_owned(), ty, file, slot, live })
        });
        let mut registers: Vec<Register> = registers.collect();
        registers.sort_by(|a, b| (a.live, a.file as u8, a.slot, &a.name).cmp(&(b.live, b.file as u8, b.slot, &b.name)));
        let accumulator_slots = in_flight::accumulator_slots(&mut self.code)?;
        let tensor_load_slots = in_flight::tensor_load_slots(&mut self.code)?;
        let mut slots = slots.into_iter();
        let mut renamed = || slots.next().unwrap_or_default();
        Ok(Program {
            word_constants: words.iter().map(|&(value, _)| (renamed(), value)).collect(),
            long_constants: longs.iter().map(|&(value, _)| (renamed(), value)).collect(),
            specials: specials.iter().map(|&(special, _)| (renamed(), special)).collect(),
            global_symbols: globals.iter().map(|&((index, addend), _)| (renamed(), index, addend)).collect(),
            true_predicates: constants.truth.iter().map(|_| renamed()).collect(),
            code: self.code,
            spans: self.spans,
            lines: self.lines,
            opcodes: self.opcodes,
            strong: self.strong,
            registers,
            accumulator_slots,
            tensor_load_slots,
            words: sizes.words,
            longs: sizes.longs,
            predicates: sizes.predicates,
            local_bytes: self.symbols.local_bytes,
            stack_offset,
            static_shared: self.symbols.static_shared,
            dynamic_shared_offset: self.symbols.dynamic_shared_offset,
        })
    }

    /// The error that the emulator does not implement something, at the place of the instruction.
    pub(crate) fn unsupported(&self, what: impl Into<String>) -> Diagnostic {
        let mut diagnostic =
            Diagnostic::error("ptx-unsupported", format!("the emulator does not implement {}", what.into()));
        diagnostic = diagnostic.at(self.span.clone(), "");
        diagnostic
    }

    /// Refuses the instruction as it is written.
    pub(crate) fn unsupported_form(&self) -> Diagnostic {
        self.unsupported(format!("`{}`", self.opcode))
    }

    /// The error that an operand or a modifier is wrong, at the place of the instruction.
    pub(crate) fn malformed(&self, what: impl Into<String>) -> Diagnostic {
        error("ptx-operand", what.into(), self.span.clone())
    }
}

fn error(code: &'static str, message: String, span: Range<usize>) -> Diagnostic {
    Diagnostic::error(code, message).at(span, "")
}
